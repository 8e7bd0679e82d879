//! A request as a scenario writes it: SQL with placeholders, drawn anew for each request.

use crate::error::Error;
use rand::RngExt;
use rand::rngs::SmallRng;
use std::sync::atomic::{AtomicI64, Ordering};

/// A request: one statement, or several that run in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub statements: Vec<Piece>,
}

/// One statement with `$1`, `$2`, … and what to bind to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub sql: String,
    pub draws: Vec<Draw>,
}

/// How the value of one parameter, always a `bigint`, is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// `:random(a, b)`: each integer from a to b alike.
    Random(i64, i64),
    /// `:zipf(a, b)`: the n-th newest key is drawn n times less often than the newest, b.
    Zipf(i64, i64),
    /// `:mine(a, b)`: a key from a to b that no other client of the load writes.
    Mine(i64, i64),
    /// `:stamp`: larger than every stamp drawn before it in this process and in earlier ones.
    Stamp,
    /// `:client`: number of the client, from 0.
    Client,
}

/// Which keys belong to a client: those that leave `index` when divided by `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub index: u32,
    pub of: u32,
}

const KNOWN: &str = ":random(a, b), :zipf(a, b), :mine(a, b), :stamp, :client";

/// Reads a template. `BEGIN` and `COMMIT` around several statements may be written or left
/// out: several statements are one transaction either way.
///
/// # Errors
/// [`Error::Template`] for an unknown placeholder, a bad range or no statement at all.
pub fn parse(session: &str, text: &str) -> Result<Template, Error> {
    let bad = |why: String| Error::Template { session: session.to_owned(), why };
    let mut statements = Vec::new();
    let mut piece = Piece { sql: String::new(), draws: Vec::new() };
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = literal_len(rest, &piece.sql);
        if taken > 0 {
            let (literal, after) = rest.split_at(taken);
            piece.sql.push_str(literal);
            rest = after;
        } else if c == ';' {
            push(&mut statements, &mut piece);
            rest = rest.get(1..).unwrap_or("");
        } else if c == ':' {
            let (draw, len) = placeholder(rest).map_err(bad)?;
            piece.draws.push(draw);
            piece.sql.push_str(&format!("${}", piece.draws.len()));
            rest = rest.get(len..).unwrap_or("");
        } else {
            piece.sql.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or("");
        }
    }
    push(&mut statements, &mut piece);
    let control = |p: &Piece| {
        ["begin", "commit", "end", "start transaction"].contains(&p.sql.to_lowercase().as_str())
    };
    if statements.first().is_some_and(control) {
        statements.remove(0);
        if !statements.last().is_some_and(control) {
            return Err(bad("BEGIN without COMMIT: a request must end its transaction".into()));
        }
        statements.pop();
    }
    if statements.is_empty() {
        return Err(bad("there is no statement".into()));
    }
    Ok(Template { statements })
}

fn push(statements: &mut Vec<Piece>, piece: &mut Piece) {
    let done = std::mem::replace(piece, Piece { sql: String::new(), draws: Vec::new() });
    let sql = done.sql.trim().to_owned();
    if !sql.is_empty() {
        statements.push(Piece { sql, draws: done.draws });
    }
}

/// Length of the literal, quoted name, comment or cast that `text` begins with; 0: none.
fn literal_len(text: &str, before: &str) -> usize {
    let until = |open: usize, close: &str| {
        text.get(open..).and_then(|t| t.find(close)).map_or(text.len(), |i| open + i + close.len())
    };
    if text.starts_with("::") {
        return 2;
    }
    if text.starts_with("--") {
        return until(2, "\n");
    }
    if text.starts_with("/*") {
        return until(2, "*/");
    }
    if text.starts_with('\'') || text.starts_with('"') {
        return until(1, text.get(..1).unwrap_or("'"));
    }
    // A dollar quote; not the `$` inside of a name.
    if text.starts_with('$') && !before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
        let tag_len = text.get(1..).and_then(|t| t.find('$')).map_or(0, |i| i + 2);
        let tag = text.get(..tag_len).unwrap_or("");
        let named = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        if tag_len >= 2 && tag.chars().all(named) {
            return until(tag_len, tag);
        }
    }
    0
}

fn placeholder(text: &str) -> Result<(Draw, usize), String> {
    let name_len = text
        .char_indices()
        .skip(1)
        .find(|(_, c)| !c.is_ascii_alphanumeric() && *c != '_')
        .map_or(text.len(), |(i, _)| i);
    let name = text.get(1..name_len).unwrap_or("");
    match name {
        "stamp" => return Ok((Draw::Stamp, name_len)),
        "client" => return Ok((Draw::Client, name_len)),
        "random" | "zipf" | "mine" => {}
        _ => return Err(format!(":{name} is not known; a request may hold {KNOWN}")),
    }
    let arguments = text.get(name_len..).unwrap_or("");
    let range =
        arguments.strip_prefix('(').and_then(|t| t.split_once(')')).and_then(|(inside, _)| {
            let (a, b) = inside.split_once(',')?;
            let number = |t: &str| t.trim().replace('_', "").parse::<i64>().ok();
            Some((number(a)?, number(b)?, name_len + inside.len() + 2))
        });
    match range {
        Some((a, b, len)) if a <= b => {
            let draw = match name {
                "random" => Draw::Random(a, b),
                "zipf" => Draw::Zipf(a, b),
                _ => Draw::Mine(a, b),
            };
            Ok((draw, len))
        }
        Some((a, b, _)) => Err(format!(":{name}({a}, {b}): the first number is the larger one")),
        None => Err(format!(":{name} needs two integers, as in :{name}(1, 1000)")),
    }
}

impl Template {
    /// Does it write keys that clients must not share?
    pub fn shares_keys(&self) -> bool {
        self.statements.iter().flat_map(|s| &s.draws).any(|d| matches!(d, Draw::Mine(..)))
    }

    /// Has every client of `of` at least one key of its own?
    ///
    /// # Errors
    /// [`Error::Template`] naming the range that is too small.
    pub fn enough_keys(&self, session: &str, of: u32) -> Result<(), Error> {
        for draw in self.statements.iter().flat_map(|s| &s.draws) {
            if let Draw::Mine(a, b) = draw
                && b.saturating_sub(*a) < i64::from(of) - 1
            {
                let why = format!(":mine({a}, {b}) has fewer keys than there are clients ({of})");
                return Err(Error::Template { session: session.to_owned(), why });
            }
        }
        Ok(())
    }

    /// The values of one request. `:mine` of one range, `:stamp` and `:client` are the same
    /// wherever they stand in it; `:random` and `:zipf` are drawn at each place.
    pub fn draw(&self, client: u32, share: Share, rng: &mut SmallRng) -> Vec<Vec<i64>> {
        let mut stamp = None;
        let mut mine: Vec<((i64, i64), i64)> = Vec::new();
        let mut value = |draw: &Draw| match *draw {
            Draw::Random(a, b) => rng.random_range(a..=b),
            Draw::Zipf(a, b) => zipf(a, b, rng),
            Draw::Client => i64::from(client),
            Draw::Stamp => *stamp.get_or_insert_with(next_stamp),
            Draw::Mine(a, b) => match mine.iter().find(|(range, _)| *range == (a, b)) {
                Some((_, key)) => *key,
                None => {
                    let key = own_key(a, b, share, rng);
                    mine.push(((a, b), key));
                    key
                }
            },
        };
        self.statements.iter().map(|s| s.draws.iter().map(&mut value).collect()).collect()
    }
}

/// A key from a to b that belongs to `share`; [`Template::enough_keys`] has seen to it that
/// there is one.
fn own_key(a: i64, b: i64, share: Share, rng: &mut SmallRng) -> i64 {
    let of = i64::from(share.of.max(1));
    let first = a + (i64::from(share.index) - a).rem_euclid(of);
    let n_keys = (b - first).div_euclid(of) + 1;
    if n_keys < 1 {
        return first;
    }
    first + of * rng.random_range(0..n_keys)
}

/// Zipf's law with exponent 1 by inverting its continuous form: rank = (n + 1)^u.
fn zipf(a: i64, b: i64, rng: &mut SmallRng) -> i64 {
    let n = b.saturating_sub(a).saturating_add(1);
    let u: f64 = rng.random();
    let rank = ((n as f64 + 1.0).ln() * u).exp() as i64;
    b - (rank - 1).clamp(0, n - 1)
}

/// Begins at the clock's microseconds, so that a later process draws larger ones.
fn next_stamp() -> i64 {
    static LAST: AtomicI64 = AtomicI64::new(0);
    if LAST.load(Ordering::Relaxed) == 0 {
        LAST.fetch_max(pgward_pg::clock::now().as_microsecond(), Ordering::SeqCst);
    }
    LAST.fetch_add(1, Ordering::SeqCst) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use std::collections::HashSet;

    fn check(text: &str, sql: &[&str], draws: &[Draw]) {
        let template = parse("site", text).unwrap();
        let got: Vec<_> = template.statements.iter().map(|s| s.sql.as_str()).collect();
        assert_eq!(got, sql);
        let got: Vec<_> = template.statements.iter().flat_map(|s| s.draws.clone()).collect();
        assert_eq!(got, draws);
    }

    #[test]
    fn placeholders_become_parameters() {
        check(
            "SELECT note::text FROM orders WHERE id = :random(1, 100_000);",
            &["SELECT note::text FROM orders WHERE id = $1"],
            &[Draw::Random(1, 100_000)],
        );
        check(
            "BEGIN; UPDATE a SET s = :stamp WHERE id = :mine(1, 9); \
             INSERT INTO h VALUES (:mine(1, 9), ';:x', $q$ :y; $q$, :client); COMMIT;",
            &[
                "UPDATE a SET s = $1 WHERE id = $2",
                "INSERT INTO h VALUES ($1, ';:x', $q$ :y; $q$, $2)",
            ],
            &[Draw::Stamp, Draw::Mine(1, 9), Draw::Mine(1, 9), Draw::Client],
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (text, word) in [
            ("SELECT :nobody", ":nobody is not known"),
            ("SELECT :random(1)", "needs two integers"),
            ("SELECT :zipf(9, 1)", "is the larger one"),
            ("BEGIN; SELECT 1", "BEGIN without COMMIT"),
            (" ; ", "no statement"),
        ] {
            let error = parse("site", text).unwrap_err().to_string();
            assert!(error.contains("site") && error.contains(word), "{error}");
        }
    }

    #[test]
    fn keys_of_two_clients_never_meet() {
        let template = parse("site", "SELECT :mine(5, 23), :mine(5, 23), :stamp").unwrap();
        assert!(template.enough_keys("site", 20).is_err());
        let mut rng = SmallRng::seed_from_u64(1);
        let mut all = HashSet::new();
        for index in 0..4 {
            let mut own = HashSet::new();
            for _ in 0..200 {
                let values = template.draw(index, Share { index, of: 4 }, &mut rng);
                assert_eq!(values[0][0], values[0][1]);
                assert!((5..=23).contains(&values[0][0]));
                own.insert(values[0][0]);
            }
            assert!(all.is_disjoint(&own));
            all.extend(own);
        }
        assert_eq!(all.len(), 19);
    }

    #[test]
    fn stamps_rise_in_all_threads() {
        let drawn: Vec<i64> = std::thread::scope(|s| {
            let all: Vec<_> =
                (0..4).map(|_| s.spawn(|| (0..999).map(|_| next_stamp()).collect())).collect();
            all.into_iter().flat_map(|t| -> Vec<i64> { t.join().unwrap() }).collect()
        });
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 4 * 999);
        assert!(drawn.chunks(999).all(|thread| thread.is_sorted()));
    }

    #[test]
    fn recent_keys_are_drawn_most() {
        let mut rng = SmallRng::seed_from_u64(7);
        let drawn: Vec<i64> = (0..10_000).map(|_| zipf(1, 100_000, &mut rng)).collect();
        assert!(drawn.iter().all(|k| (1..=100_000).contains(k)));
        let newest = drawn.iter().filter(|k| **k > 99_900).count();
        let oldest = drawn.iter().filter(|k| **k <= 50_000).count();
        // ln(101) / ln(100001) = 0.40 of all; ln(2) / ln(100001) = 0.06 of all.
        assert!((3_600..4_500).contains(&newest), "{newest}");
        assert!((400..800).contains(&oldest), "{oldest}");
    }
}
