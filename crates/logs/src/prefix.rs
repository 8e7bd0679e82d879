//! `log_line_prefix`: what the server puts before each line of its stderr log.

mod guess;

use crate::Error;
use crate::record::Record;
use crate::tag::{Tag, tag};
use crate::time::Clock;

pub(crate) use guess::{guess, head_of, share};

/// A prefix, ready to be matched against lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    written: String,
    parts: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// `%m`, `%t`, `%s`.
    Time {
        of_line: bool,
    },
    /// `%n`: seconds since 1970 with three decimals.
    Epoch,
    Pid,
    Field(Field),
    /// `%q`: the server's own processes stop here.
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Role,
    Database,
    Application,
    Client,
    Backend,
    Sqlstate,
    Skipped,
}

/// Places of a literal that are tried: an application's name may hold it too.
const TRIES_MAX: usize = 4;

impl Prefix {
    /// # Errors
    /// [`Error::Prefix`] for an escape that PostgreSQL does not know, or a field whose end
    /// cannot be told from what follows.
    pub fn parse(written: &str) -> Result<Prefix, Error> {
        let wrong = |why: String| Error::Prefix { prefix: written.to_owned(), why };
        let mut parts: Vec<Piece> = Vec::new();
        let mut chars = written.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '%' {
                literal(&mut parts, c);
                continue;
            }
            while chars.peek().is_some_and(|c| c.is_ascii_digit() || *c == '-') {
                chars.next(); // padding: spaces around the value are taken off
            }
            let Some(escape) = chars.next() else {
                return Err(wrong("it ends with a single %".to_owned()));
            };
            if escape == '%' {
                literal(&mut parts, '%');
                continue;
            }
            let Some(part) = piece(escape) else {
                return Err(wrong(format!("PostgreSQL knows no %{escape}")));
            };
            let open = |p: Option<&Piece>| matches!(p, Some(Piece::Field(_)));
            if open(parts.last()) && open(Some(&part)) {
                return Err(wrong(format!(
                    "nothing stands between %{escape} and what precedes it"
                )));
            }
            parts.push(part);
        }
        Ok(Prefix { written: written.to_owned(), parts })
    }

    /// As it was given or found.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Does it say the SQLSTATE?
    pub fn has_sqlstate(&self) -> bool {
        self.parts.contains(&Piece::Field(Field::Sqlstate))
    }

    /// Reads the prefix of a line into `head`; the tag behind it and where its text begins.
    pub(crate) fn read<'a>(
        &self,
        line: &'a str,
        clock: &mut Clock,
        head: &mut Record<'a>,
    ) -> Option<(Tag, usize)> {
        let rest = walk(&self.parts, line, clock, head)?;
        let (tag, at) = tag(rest)?;
        Some((tag, line.len() - rest.len() + at))
    }
}

fn literal(parts: &mut Vec<Piece>, c: char) {
    if let Some(Piece::Literal(text)) = parts.last_mut() {
        text.push(c);
    } else {
        parts.push(Piece::Literal(c.to_string()));
    }
}

fn piece(escape: char) -> Option<Piece> {
    Some(match escape {
        'm' | 't' => Piece::Time { of_line: true },
        's' => Piece::Time { of_line: false },
        'n' => Piece::Epoch,
        'p' => Piece::Pid,
        'q' => Piece::Stop,
        'u' => Piece::Field(Field::Role),
        'd' => Piece::Field(Field::Database),
        'a' => Piece::Field(Field::Application),
        'h' | 'r' => Piece::Field(Field::Client),
        'b' => Piece::Field(Field::Backend),
        'e' => Piece::Field(Field::Sqlstate),
        'P' | 'i' | 'c' | 'l' | 'v' | 'x' | 'Q' | 'L' => Piece::Field(Field::Skipped),
        _ => return None,
    })
}

/// What is left of `text` behind the pieces; a tag begins there.
fn walk<'a>(
    parts: &[Piece],
    text: &'a str,
    clock: &mut Clock,
    head: &mut Record<'a>,
) -> Option<&'a str> {
    let Some((part, next)) = parts.split_first() else {
        return tag(text).map(|_| text);
    };
    match part {
        Piece::Literal(literal) => {
            let rest = text.strip_prefix(literal.as_str()).or_else(|| {
                // Values may be padded, and a prefix without a space at its end gets none.
                text.trim_start_matches(' ').strip_prefix(literal.as_str())
            })?;
            walk(next, rest, clock, head)
        }
        Piece::Time { of_line } => {
            let (ms, n) = clock.read(text)?;
            if *of_line {
                head.at_ms = Some(ms);
            }
            walk(next, text.get(n..)?, clock, head)
        }
        Piece::Epoch => {
            let (seconds, n) = crate::text::millis(text)?;
            head.at_ms = Some((seconds * 1000.0).round() as i64);
            walk(next, text.get(n..)?, clock, head)
        }
        Piece::Pid => {
            let text = text.trim_start_matches(' ');
            let n = text.bytes().take_while(u8::is_ascii_digit).count();
            head.pid = text.get(..n)?.parse().ok()?;
            walk(next, text.get(n..)?, clock, head)
        }
        Piece::Stop => {
            let before = *head;
            walk(next, text, clock, head).or_else(|| {
                *head = before;
                tag(text).map(|_| text)
            })
        }
        Piece::Field(field) => walk_field(*field, next, text, clock, head),
    }
}

fn walk_field<'a>(
    field: Field,
    next: &[Piece],
    text: &'a str,
    clock: &mut Clock,
    head: &mut Record<'a>,
) -> Option<&'a str> {
    let Some(Piece::Literal(literal)) = next.first() else {
        // Its end is where a word ends: a time, a process id, %q or the tag follows.
        if tag(text).is_some() {
            put(field, "", head);
            return walk(next, text, clock, head);
        }
        let end = text.find([' ', ':']).unwrap_or(text.len());
        put(field, text.get(..end)?, head);
        return walk(next, text.get(end..)?, clock, head);
    };
    let mut from = 0;
    for _ in 0..TRIES_MAX {
        let at = from + text.get(from..)?.find(literal.as_str())?;
        put(field, text.get(..at)?, head);
        let kept = *head;
        if let Some(rest) = walk(next, text.get(at..)?, clock, head) {
            return Some(rest);
        }
        *head = kept;
        from = at + 1;
        while !text.is_char_boundary(from) {
            from += 1;
        }
    }
    None
}

fn put<'a>(field: Field, value: &'a str, head: &mut Record<'a>) {
    let value = value.trim_matches(' ');
    match field {
        Field::Role => head.role = value,
        Field::Database => head.database = value,
        Field::Application => head.application = value,
        Field::Client => head.client = value,
        Field::Backend => head.backend = value,
        Field::Sqlstate => head.sqlstate = value,
        Field::Skipped => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Level;

    fn read<'a>(prefix: &str, line: &'a str) -> (Record<'a>, Tag, &'a str) {
        let mut head = Record::default();
        let prefix = Prefix::parse(prefix).unwrap();
        let (tag, at) = prefix.read(line, &mut Clock::default(), &mut head).unwrap();
        (head, tag, line.get(at..).unwrap())
    }

    #[test]
    fn prefixes_of_many_shapes_are_read() {
        let (head, tag, text) = read(
            "%m [%p] %q[user=%u,db=%d,app=%a,client=%h,sqlstate=%e,qid=%Q] ",
            "2026-11-21 03:24:38.257 UTC [2214] [user=u,db=d,app=a, b],client=c,sqlstate=42P01,qid=-1] ERROR:  relation",
        );
        assert_eq!((head.pid, head.role, head.application), (2214, "u", "a, b]"));
        assert_eq!((head.sqlstate, tag, text), ("42P01", Tag::Message(Level::Error), "relation"));
        let (head, _, text) =
            read("%m [%p] %q%u@%d ", "2026-11-21 03:24:38.257 UTC [22] LOG:  x: y");
        assert_eq!((head.pid, head.role, text), (22, "", "x: y"));
        let (head, ..) =
            read("%t:%r:%u@%d:[%p]:", "2026-11-21 03:24:38 UTC:10.0.0.1(5000):u@d:[7]:FATAL:  x");
        assert_eq!(
            (head.client, head.role, head.database, head.pid),
            ("10.0.0.1(5000)", "u", "d", 7)
        );
        let (head, ..) = read("%n %5p %c ", "1795231477.457    71 6b.22 LOG:  x");
        assert_eq!((head.at_ms, head.pid), (Some(1_795_231_477_457), 71));
        let (head, ..) = read("< %m >", "< 2026-11-21 03:24:38.257 CET >LOG:  x");
        assert!(head.at_ms.is_some());
        let (head, ..) = read("%b[%p]: [%l-1] %a", "autovacuum worker[9]: [3-1] LOG:  x");
        assert_eq!((head.backend, head.pid), ("autovacuum worker", 9));
    }

    #[test]
    fn a_wrong_prefix_is_told() {
        assert!(Prefix::parse("%m %z").unwrap_err().to_string().contains("%z"));
        assert!(Prefix::parse("%u%d").unwrap_err().to_string().contains("nothing stands between"));
        assert!(Prefix::parse("%m %").unwrap_err().to_string().contains("single %"));
        let prefix = Prefix::parse("%m [%p] ").unwrap();
        let line = "[7] LOG:  x";
        assert!(prefix.read(line, &mut Clock::default(), &mut Record::default()).is_none());
    }
}
