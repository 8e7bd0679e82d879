//! Clients no longer find rows that somebody has just deleted or changed.

use super::{BASELINE_S_MIN, Detector, mass_write};
use crate::facts::{cut, sampled, verb};
use crate::reach::Reach;
use crate::written;
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "rows_missing",
    title: "Clients find less than half of the rows they found before a large part of a table was \
            written",
    rule: "a mass write (see mass_write) of the last half minute by a statement that was not among \
           the 500 dearest before it, and since then a SELECT of another role on that table finds \
           less than half as many rows a call in ten seconds as in fifteen before it: 50 rows \
           or more that it would have found, ten calls or more on both sides. Nothing fails and \
           nothing is slow, so nobody else will tell; whether clients ask for less by themselves, \
           with a new release, cannot be told. After six minutes it is taken for meant",
    detect,
};

/// A purge that was meant leaves clients most of what they ask for.
const FOUND: f64 = 0.5;
const CALLS_MIN: i64 = 10; // one a second is a client
/// Rows that are not found: fewer may be the chance of parameters.
const ROWS_MIN: f64 = 50.0;
/// What clients find now.
const NOW_S: f64 = 10.0; // five readings of the counters
/// What they found before; what they found earlier had other reasons to change.
const BEFORE_S: f64 = 15.0;
/// The baseline follows the present; what was written is looked for that far back from its end.
const WRITTEN_S: f64 = 30.0; // ten calls of a client that asks once a second or two
/// As long as a new level of slowness takes to be the usual one.
const MEANT_S: f64 = super::STEADY_S;

fn detect(window: &Window) -> Vec<Symptom> {
    missing(window, MEANT_S).into_iter().map(|m| m.symptom(window)).collect()
}

/// Rows that clients still miss when an incident ends, a line a table.
pub(super) fn left(window: &Window) -> Vec<String> {
    let rows = |d: &StatementDelta| human(d.rows_per_call);
    let line = |m: Missing| {
        let (now, before) = (rows(&m.now), rows(&m.before));
        format!("clients find {now} rows a call in {}, {before} before", m.relation)
    };
    missing(window, f64::INFINITY).into_iter().map(line).collect()
}

/// What clients miss of one table.
struct Missing {
    relation: Relation,
    since: Timestamp,
    written_at: Timestamp,
    n_written: i64,
    usual: i64,
    writer: StatementCounters,
    /// The reading statement that misses most.
    now: StatementDelta,
    before: StatementDelta,
}

impl Missing {
    fn symptom(self, window: &Window) -> Symptom {
        let Missing { relation, now, before, writer, .. } = &self;
        let written = Evidence::measured(
            format!(
                "rows of {relation} written at once, by role {}: {}",
                writer.role,
                cut(&writer.text, 100)
            ),
            self.n_written as f64,
            "rows",
            sampled("tables: pg_stat_user_tables"),
        )
        .against(self.usual as f64)
        .at(self.written_at);
        let per_call = Evidence::measured(
            format!("rows a call that role {} finds: {}", now.role, cut(&now.text, 100)),
            now.rows_per_call,
            "rows/call",
            sampled("statements: pg_stat_statements"),
        )
        .against(before.rows_per_call)
        .at(window.now());
        let title = format!(
            "{} rows a call, {} before {relation} was written: {}",
            human(now.rows_per_call),
            human(before.rows_per_call),
            cut(&now.text, 60)
        );
        Symptom::new(DETECTOR.id, self.since, window.now(), Weight::Harm, title, written)
            .and(per_call)
            .on([relation.clone()])
    }
}

/// Of each table that was written at once at most so many seconds ago, what clients miss most.
fn missing(window: &Window, within_s: f64) -> Vec<Missing> {
    if window.baseline_s() < BASELINE_S_MIN {
        return Vec::new();
    }
    let back = jiff::SignedDuration::from_secs_f64(WRITTEN_S);
    let from = window.baseline_until.checked_sub(back).unwrap_or(window.baseline_until);
    let writes = mass_write::after(window, from);
    let recent = |w: &mass_write::Write<'_>| seconds_between(w.at, window.now()) < within_s;
    let mut worst: Vec<Missing> = Vec::new();
    for (write, usual) in writes.iter().filter(|(w, _)| recent(w)) {
        let Some(one) = missed(window, write, *usual) else { continue };
        match worst.iter_mut().find(|m| m.relation == one.relation) {
            Some(known) if fewer(&known.now, &known.before) >= fewer(&one.now, &one.before) => {}
            Some(known) => *known = one,
            None => worst.push(one),
        }
    }
    worst
}

fn missed(window: &Window, write: &mass_write::Write<'_>, usual: i64) -> Option<Missing> {
    let relation = &write.table.relation;
    let reach = |text: &str| Reach::before(window, text);
    let writer = written::writer(window, write.since, write.n as f64, relation, reach)?;
    let now = window.last_seconds(NOW_S);
    let now = statement_deltas(now.get(now.partition_point(|s| s.at < write.at)..)?);
    // What idle sessions report late had gone before it was counted, where the window has more.
    let late = jiff::SignedDuration::from_secs_f64(written::LATE_S);
    let calm = [write.since.checked_sub(late).unwrap_or(write.since), write.since];
    let calm = calm.map(|until| statement_deltas(until_then(window, until)));
    let reads = now.into_iter().filter(|now| {
        now.calls >= CALLS_MIN && now.role != writer.role && verb(&now.text) == "SELECT"
    });
    let poorer = reads.filter_map(|now| {
        let same = |b: &&StatementDelta| {
            (b.query_id, &b.role) == (now.query_id, &now.role) && b.calls >= CALLS_MIN
        };
        let before = calm.iter().find_map(|calm| calm.iter().find(same))?.clone();
        let n = (before.rows_per_call - now.rows_per_call) * now.calls as f64;
        let less = now.rows_per_call < FOUND * before.rows_per_call && n >= ROWS_MIN;
        (less && reach(&now.text).touches(relation)).then_some((now, before))
    });
    let (now, before) = poorer.max_by(|a, b| fewer(&a.0, &a.1).total_cmp(&fewer(&b.0, &b.1)))?;
    Some(Missing {
        relation: relation.clone(),
        since: write.since,
        written_at: write.at,
        n_written: write.n,
        usual,
        writer: writer.clone(),
        now,
        before,
    })
}

/// Rows a second that are not found any more.
fn fewer(now: &StatementDelta, before: &StatementDelta) -> f64 {
    (before.rows_per_call - now.rows_per_call) * now.calls_per_s
}

/// The samples of the [`BEFORE_S`] that end at that moment.
fn until_then(window: &Window, until: Timestamp) -> &[Sample] {
    let to = window.samples.partition_point(|s| s.at <= until);
    let from = window.samples.partition_point(|s| seconds_between(s.at, until) > BEFORE_S);
    window.samples.get(from..to).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, table};

    /// Rows of parcels and what the site finds of them, second by second: 10,000 rows, and 30 a
    /// call until second 40.
    struct Story {
        /// Calls a second of the site's SELECT, and rows that each finds after second 40.
        calls: i64,
        finds: i64,
        /// The statement that deletes 9,000 rows then, by whom, and since when it has been run.
        deletes: &'static str,
        role: &'static str,
        known: bool,
        until: i64,
    }

    const PURGE: Story = Story {
        calls: 5,
        finds: 3,
        deletes: "DELETE FROM parcels WHERE state <> $1",
        role: "deploy",
        known: false,
        until: 60,
    };

    impl Story {
        fn window(&self) -> Window {
            let mut samples = healthy(self.until);
            for (i, sample) in (0..).zip(&mut samples) {
                let (calm, after) = (40.min(i), (i - 40).max(0));
                let counters = |query_id, role: &str, text: &str, calls, rows| StatementCounters {
                    query_id,
                    role: role.to_owned(),
                    text: text.into(),
                    calls,
                    total_ms: 0.1 * calls as f64,
                    rows,
                    blks: 4 * calls,
                    blks_read: 0,
                    squares_ms2: 0.0,
                };
                let found = self.calls * (30 * calm + self.finds * after);
                let text = "SELECT id FROM parcels WHERE shelf = $1";
                let mut statements = vec![counters(1, "site", text, self.calls * i, found)];
                if self.known || after > 0 {
                    statements.push(counters(2, self.role, self.deletes, 1, 9_000));
                }
                sample.statements = Some(statements);
                let mut parcels = table("parcels", if after > 0 { 1_000 } else { 10_000 });
                parcels.deleted = if after > 0 { 9_000 } else { 0 };
                sample.tables = Some(vec![parcels]);
            }
            let baseline_until = crate::course::baseline_until(at(self.until));
            Window { samples, baseline_until, catalog: None }
        }
    }

    #[track_caller]
    fn check(story: &Story, n: usize) {
        let found = detect(&story.window());
        assert_eq!(found.len(), n, "{found:?}");
        assert!(found.iter().all(|s| s.weight == Weight::Harm));
    }

    #[test]
    fn rows_that_others_no_longer_find_are_an_alarm() {
        check(&PURGE, 1);
        let found = detect(&PURGE.window());
        let first = found.first().unwrap();
        let values: Vec<_> = first.evidence().iter().map(|e| (e.value, e.baseline)).collect();
        assert_eq!(values, [(Some(9_000.0), Some(0.0)), (Some(3.0), Some(30.0))]);
        assert_eq!(first.relations, [Relation::new("public", "parcels")]);
        assert_eq!(first.since, at(40));
    }

    #[test]
    fn what_is_meant_or_missed_by_nobody_is_none() {
        check(&Story { finds: 20, ..PURGE }, 0); // most is there
        check(&Story { calls: 0, ..PURGE }, 0); // nobody looks
        check(&Story { known: true, ..PURGE }, 0); // it runs each night
        check(&Story { role: "site", ..PURGE }, 0); // who reads it has done it
        check(&Story { deletes: "DELETE FROM letters", ..PURGE }, 0);
        check(&Story { until: 42, ..PURGE }, 0); // two calls tell nothing
    }

    #[test]
    fn after_minutes_it_is_taken_for_meant_and_still_told() {
        let frozen = |until| {
            let story = Story { until, ..PURGE };
            Window { baseline_until: at(34), ..story.window() }
        };
        assert_eq!((detect(&frozen(300)).len(), left(&frozen(300)).len()), (1, 1));
        assert_eq!((detect(&frozen(402)).len(), left(&frozen(402)).len()), (0, 1));
    }

    #[test]
    fn what_fell_before_the_write_was_not_its_doing() {
        let mut window = PURGE.window();
        for (i, sample) in (0..).zip(&mut window.samples) {
            let reads = sample.statements.as_mut().unwrap().first_mut().unwrap();
            reads.rows = 5 * (30 * 8.min(i) + 3 * (i - 8).max(0)); // since second 8
        }
        assert_eq!(detect(&window), []);
    }
}
