//! A large share of a table's rows changed at once.

use super::Detector;
use crate::facts::{mentions, sampled};
use crate::written::{LATE_S, changes, first_run, until, wrote};
use pgward_model::prelude::*;
use std::collections::{HashMap, HashSet};

pub(super) static DETECTOR: Detector = Detector {
    id: "mass_write",
    title: "A large share of a table's rows was updated or deleted at once",
    rule: "updates and deletes between two samples reach 10% of the live rows, and 20 times what \
           the busiest interval of the baseline had, which did not reach 10% itself: a batch that \
           belongs to daily life is in its baseline, and what was cancelled was not written. A \
           notice, no alarm: the change may be meant",
    detect,
};

const SHARE: f64 = 0.10; // the share from which a change must be declared to pass the gate

/// The tables of one sample by oid.
type Tables<'a> = HashMap<u32, &'a TableCounters>;

/// What was written between two samples.
pub(super) struct Write<'a> {
    pub(super) since: Timestamp,
    pub(super) at: Timestamp,
    pub(super) table: &'a TableCounters,
    pub(super) n: i64,
    /// Live rows before it: an update leaves its dead rows among the live ones for a while.
    n_live: i64,
}

impl Write<'_> {
    fn share_of(&self, n: i64) -> f64 {
        (n as f64 / self.n_live.max(1) as f64).min(1.0)
    }
}

fn detect(window: &Window) -> Vec<Symptom> {
    let all = after(window, window.baseline_until);
    all.iter().map(|(w, usual)| symptom(window, w, *usual)).collect()
}

/// Mass writes after that moment, each with the rows of the busiest interval before it.
pub(super) fn after(window: &Window, until: Timestamp) -> Vec<(Write<'_>, i64)> {
    let counted: Vec<(Timestamp, &[TableCounters])> =
        window.samples.iter().filter_map(|s| Some((s.at, s.tables.as_deref()?))).collect();
    let mut suspects: Vec<Write<'_>> = Vec::new();
    let first_after = counted.partition_point(|(at, _)| *at <= until);
    let from = first_after.saturating_sub(1);
    for ((since, before), (at, after)) in counted.iter().zip(counted.iter().skip(1)).skip(from) {
        // Mostly in the same order; to sort thousands of tables each second would be dear.
        let mut sorted: Option<Tables<'_>> = None;
        let mut old = |place: usize, oid: u32| match before.get(place) {
            Some(table) if table.oid == oid => Some(table),
            _ => sorted.get_or_insert_with(|| by_oid(before)).get(&oid).copied(),
        };
        let writes = after.iter().enumerate().filter_map(|(place, table)| {
            let (n, n_live) = written(old(place, table.oid)?, table);
            Some(Write { since: *since, at: *at, table, n, n_live })
        });
        suspects.extend(writes.filter(|w| *at > until && w.share_of(w.n) >= SHARE));
    }
    let usual = busiest(counted.get(..first_after).unwrap_or(&[]), &suspects);
    let of = |w: &Write<'_>| usual.get(&w.table.oid).copied().unwrap_or(0);
    suspects
        .into_iter()
        .map(|w| (of(&w), w))
        .filter(|(usual, w)| w.n > 20 * (*usual).max(1))
        // A few rows that everybody writes: all of them at once is what each interval brings.
        .filter(|(usual, w)| w.share_of(*usual) < SHARE)
        .filter(|(_, w)| !was_undone(window, w))
        .map(|(usual, w)| (w, usual))
        .collect()
}

/// Rows are counted whether their transaction commits or not. Was a statement that wrote to the table
/// cancelled or ended just then, and none that ended by itself counted as many rows?
fn was_undone(window: &Window, write: &Write<'_>) -> bool {
    let table = &write.table.relation;
    let counted = window.samples.iter().any(|s| s.at >= write.at && s.statements.is_some());
    let near = |e: &&LogEntry| counted && seconds_between(e.at, write.at).abs() <= LATE_S;
    let ended = |e: &&LogEntry| matches!(e.sqlstate.as_str(), "57014" | "57P01");
    let mut log = window.samples.iter().flat_map(|s| &s.log).filter(near).filter(ended);
    let wrote_it = |text: &str| changes(text) && mentions(text, &table.name);
    // Who was idle in its transaction had run it before.
    let had_run = |pid: Pid| {
        let mut of_it = window.samples.iter().flat_map(|s| &s.sessions).filter(|s| s.pid == pid);
        of_it.any(|s| s.xid.is_some() && wrote_it(&s.query))
    };
    log.any(|e| wrote_it(&e.statement) || had_run(e.pid))
        && !first_run(window, write.since, until(write.since))
            .iter()
            .any(|s| wrote(s, write.n as f64) && mentions(&s.text, &table.name))
}

/// Rows written in the busiest interval of the baseline, for the tables in question only:
/// thousands of tables times hundreds of samples are too many to look at each second.
fn busiest(
    baseline: &[(Timestamp, &[TableCounters])],
    suspects: &[Write<'_>],
) -> HashMap<u32, i64> {
    let wanted: HashSet<u32> = suspects.iter().map(|w| w.table.oid).collect();
    let mut most = HashMap::new();
    if wanted.is_empty() {
        return most;
    }
    let mut before: Tables<'_> = HashMap::new();
    for (_, tables) in baseline {
        let now: Tables<'_> =
            tables.iter().filter(|t| wanted.contains(&t.oid)).map(|t| (t.oid, t)).collect();
        for (oid, table) in &now {
            let n = before.get(oid).map_or(0, |old| written(old, table).0);
            let known = most.entry(*oid).or_insert(0);
            *known = n.max(*known);
        }
        before = now;
    }
    most
}

fn by_oid(tables: &[TableCounters]) -> Tables<'_> {
    tables.iter().map(|t| (t.oid, t)).collect()
}

/// Rows written since, and how many lived before; never fewer than they can have been.
fn written(old: &TableCounters, now: &TableCounters) -> (i64, i64) {
    let n = (now.updated - old.updated).max(0) + (now.deleted - old.deleted).max(0);
    let n_live = if old.n_live > 0 { old.rows() } else { now.n_live.max(n) };
    (n, n_live)
}

fn symptom(window: &Window, write: &Write<'_>, usual: i64) -> Symptom {
    let Write { since, at, table, n, .. } = write;
    Symptom::new(
        DETECTOR.id,
        *since,
        window.now(),
        Weight::Notice,
        format!(
            "{} rows of {} written at once, {}% of the table",
            human(*n as f64),
            table.relation,
            human(write.share_of(*n) * 100.0)
        ),
        Evidence::measured(
            format!("rows of {} updated or deleted between two samples", table.relation),
            *n as f64,
            "rows",
            sampled("tables: pg_stat_user_tables"),
        )
        .against(usual as f64)
        .at(*at),
    )
    .on([table.relation.clone()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, table};

    #[test]
    fn a_few_rows_that_everybody_writes_are_no_table_changed_at_once() {
        let mut samples = healthy(30);
        for (i, s) in samples.iter_mut().enumerate() {
            let mut t = table("counters", 20);
            t.updated = 10 * i as i64 + if i == 29 { 5_000 } else { 0 };
            s.tables = Some(vec![t]);
        }
        let window = Window { samples, baseline_until: at(25), catalog: None };
        assert_eq!(detect(&window), []);
    }

    #[test]
    fn half_a_table_at_once_is_noticed_and_a_daily_trickle_is_not() {
        for (n_updated, n_symptoms) in [(5_000, 1), (5, 0)] {
            let mut samples = healthy(30);
            for (i, s) in samples.iter_mut().enumerate() {
                let mut t = table("accounts", 10_000);
                t.updated = 5 * i as i64 + if i == 29 { n_updated } else { 0 };
                s.tables = Some(vec![t]);
            }
            let window = Window { samples, baseline_until: at(25), catalog: None };
            assert_eq!(detect(&window).len(), n_symptoms);
        }
    }
}
