//! Who wrote into a table: the statement that nobody had run here before.

use crate::facts::{verb, words};
use crate::reach::Reach;
use pgward_model::prelude::*;

/// The counters that tell of a write come after the statement's own: an idle backend reports
/// within 10 s, and readings come every 2 s.
pub const LATE_S: f64 = 15.0;

/// Statements as counted up to `until` of which the baseline's last count, [`LATE_S`] before `since`
/// at the latest where there is one, knows nothing. A server shows its 500 dearest.
pub fn first_run(window: &Window, since: Timestamp, until: Timestamp) -> Vec<&StatementCounters> {
    let Some((before, now)) = counts(window, since, until) else { return Vec::new() };
    let known = |s: &StatementCounters| before.iter().any(|b| same(b, s));
    now.iter().filter(|s| !known(s)).collect()
}

/// Until when a statement must have been counted that wrote what tables counted from `since` on.
pub fn until(since: Timestamp) -> Timestamp {
    let late = jiff::SignedDuration::from_secs_f64(2.0 * LATE_S);
    since.checked_add(late).unwrap_or(since)
}

/// The counts of before and of then.
fn counts(
    window: &Window,
    since: Timestamp,
    until: Timestamp,
) -> Option<(&[StatementCounters], &[StatementCounters])> {
    let counted = || window.samples.iter().filter(|s| s.statements.is_some()).rev();
    let mut baseline = counted().filter(|s| s.at <= window.baseline_until);
    let last = baseline.next()?;
    let in_time = |s: &&Sample| seconds_between(s.at, since) >= LATE_S;
    let before = Some(last).filter(in_time).or_else(|| baseline.find(in_time)).unwrap_or(last);
    let now = counted().find(|s| s.at <= until)?;
    Some((before.statements.as_deref()?, now.statements.as_deref()?))
}

fn same(a: &StatementCounters, b: &StatementCounters) -> bool {
    (a.query_id, &a.role) == (b.query_id, &b.role)
}

/// The statement, new since then, that wrote most of the `n` rows of the table which were counted
/// from `since` on, by its own count. Else the only new one that calls a function which writes and
/// reaches it, whose rows are counted for no statement, unless one of daily life wrote so many.
pub(crate) fn writer<'a>(
    window: &'a Window,
    since: Timestamp,
    n: f64,
    relation: &Relation,
    reach: impl Fn(&str) -> Reach,
) -> Option<&'a StatementCounters> {
    let new = first_run(window, since, until(since));
    // By a partition's parent and a view too; what a key deletes in cascade is named by nobody.
    let is_it =
        |s: &StatementCounters| wrote(s, n) && changes(&s.text) && reach(&s.text).touches(relation);
    if let Some(writer) = new.iter().copied().find(|s| is_it(s)) {
        return Some(writer);
    }
    let mut calls = new.iter().copied().filter(|s| {
        let reach = reach(&s.text);
        !reach.writers.is_empty() && reach.touches(relation)
    });
    let one = calls.next().filter(|_| calls.next().is_none())?;
    (!is_daily(window, since, n, relation, &reach)).then_some(one)
}

/// Did a statement that had been run before write most of those rows?
pub fn is_daily(
    window: &Window,
    since: Timestamp,
    n: f64,
    relation: &Relation,
    reach: &impl Fn(&str) -> Reach,
) -> bool {
    let Some((before, now)) = counts(window, since, until(since)) else { return false };
    now.iter().any(|s| {
        let old = before.iter().find(|b| same(b, s));
        old.is_some_and(|old| (s.rows - old.rows) as f64 >= 0.5 * n)
            && changes(&s.text)
            && reach(&s.text).touches(relation)
    })
}

/// Does the text itself change rows that are there?
pub fn changes(text: &str) -> bool {
    let any = |verbs: &[&str]| words(text).any(|w| verbs.iter().any(|v| w.eq_ignore_ascii_case(v)));
    match verb(text).as_str() {
        "UPDATE" | "DELETE" | "MERGE" => true,
        "WITH" => any(&["update", "delete", "merge"]),
        "INSERT" => any(&["conflict"]) && any(&["update"]),
        _ => false,
    }
}

/// Has the statement itself changed as many rows as were written, or most of them?
pub(crate) fn wrote(statement: &StatementCounters, n: f64) -> bool {
    statement.rows as f64 >= 0.5 * n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy};

    fn statement(query_id: i64, text: &str, rows: i64) -> StatementCounters {
        StatementCounters {
            query_id,
            role: "deploy".to_owned(),
            text: text.into(),
            calls: 1,
            total_ms: 1.0,
            rows,
            blks: 1,
            blks_read: 0,
            squares_ms2: 0.0,
        }
    }

    /// A minute in which the second statement is counted from that second on.
    fn window(from: i64) -> Window {
        let mut samples = healthy(60);
        for (i, sample) in (0..).zip(&mut samples) {
            let mut counted = vec![statement(1, "SELECT 1", 1)];
            counted.extend((i >= from).then(|| statement(2, "DELETE FROM orders", 9)));
            sample.statements = Some(counted);
        }
        Window { samples, baseline_until: at(50), catalog: None }
    }

    #[test]
    fn what_was_counted_just_before_its_rows_were_is_new_and_what_ran_long_before_is_not() {
        let new = |from, since| {
            let window = window(from);
            let new = first_run(&window, at(since), until(at(since)));
            new.iter().map(|s| s.query_id).collect::<Vec<_>>()
        };
        assert_eq!(new(40, 50), [2]);
        assert_eq!(new(52, 50), [2]);
        assert!(new(30, 50).is_empty());
        assert!(new(5, 3).is_empty()); // nothing older than the write: the baseline must do
        assert!(new(56, 25).is_empty()); // long after it
        assert!(first_run(&Window::default(), at(0), at(9)).is_empty());
    }

    #[test]
    fn the_writer_is_who_wrote_the_rows_or_the_only_one_who_called_a_writing_function() {
        let orders = Relation::new("public", "orders");
        let few = statement(1, "DELETE FROM orders WHERE id = $1", 3);
        let most = statement(2, "DELETE FROM orders WHERE paid", 80);
        let other = statement(3, "UPDATE items SET n = 1", 100);
        let (call, again) = (statement(4, "SELECT purge()", 1), statement(5, "CALL purge()", 0));
        let reach = |text: &str| {
            let mut catalog = Catalog::new(Timestamp::UNIX_EPOCH, 150_018, "shop");
            catalog.relations = vec![RelationInfo::new(1, orders.clone(), 'r')];
            catalog.objects = vec![ObjectInfo {
                kind: "function".to_owned(),
                identity: "public.purge()".to_owned(),
                definition: "DELETE FROM orders".to_owned(),
                uses: Vec::new(),
            }];
            Reach::within(&catalog, text)
        };
        let id = |known: &[&StatementCounters], counted: &[&StatementCounters]| {
            let mut samples = healthy(60);
            for (i, sample) in (0..).zip(&mut samples) {
                let all = if i > 40 { counted } else { known };
                sample.statements = Some(all.iter().map(|s| (*s).clone()).collect());
            }
            let window = Window { samples, baseline_until: at(50), catalog: None };
            writer(&window, at(50), 100.0, &orders, reach).map(|s| s.query_id)
        };
        assert_eq!(id(&[], &[&few, &other, &most]), Some(2));
        assert_eq!(id(&[&most], &[&few, &other, &most]), None);
        let load = "INSERT INTO orders SELECT * FROM stage ON CONFLICT (id) DO UPDATE SET n = 1";
        let (load, copies) =
            (statement(8, load, 104), statement(9, "INSERT INTO orders SELECT 1", 99));
        assert_eq!((id(&[], &[&load]), id(&[], &[&copies])), (Some(8), None));
        let report = statement(6, "WITH o AS (SELECT * FROM orders) SELECT * FROM o", 500);
        let moved = statement(7, "WITH o AS (DELETE FROM orders RETURNING *) SELECT 1", 90);
        assert_eq!((id(&[], &[&report]), id(&[], &[&report, &moved])), (None, Some(7)));
        assert_eq!(id(&[], &[&few, &other, &call]), Some(4));
        assert_eq!(id(&[], &[&few, &call, &again]), None);
        // The nightly batch wrote them, and somebody called the function for the first time.
        let before = StatementCounters { rows: 0, ..most.clone() };
        assert_eq!(id(&[&before], &[&most, &call]), None);
        assert_eq!(id(&[], &[]), None);
    }
}
