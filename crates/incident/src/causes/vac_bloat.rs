//! Dead rows pile up because autovacuum does not come through.

use super::Cause;
use crate::facts::{complete, cut, regressions, sampled};
use crate::forecast::newest;
use crate::horizon::{HELD_S, Held, held, most_dead, tolerated};
use crate::reach::Reach;
use pgward_model::prelude::*;
use std::collections::HashMap;

pub(super) static CAUSE: Cause = Cause {
    id: "vac_bloat",
    name: "Autovacuum too slow or blocked",
    necessary: "dead rows above what autovacuum tolerates, and nobody's snapshot keeps them",
    explains: &["statement_slow", "throughput_drop", "sessions_hang"],
    actions: &[],
    prevention: &[
        "Lower autovacuum_vacuum_scale_factor of the tables that change most",
        "Raise autovacuum_vacuum_cost_limit before the number of workers",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    for (sampler, words) in [
        ("tables", "dead rows were not counted"),
        ("horizon", "holders of snapshots were not seen"),
    ] {
        if let Some(unknown) = complete(case, sampler, words) {
            return unknown;
        }
    }
    let Some(dead) = most_dead(&case.window) else {
        return Verdict::unknown("no table was counted since the onset");
    };
    let (table, n_vacuums) = (&dead.table, dead.n_vacuums);
    let evidence = Evidence::measured(
        format!(
            "dead rows in {}; autovacuum tolerates {}",
            table.relation,
            human(tolerated(table))
        ),
        table.n_dead as f64,
        "rows",
        sampled("tables: pg_stat_user_tables.n_dead_tup"),
    )
    .against(dead.before as f64)
    .at(case.window.now());
    if dead.over() < 1.0 {
        return no_more_visible(case).map_or(Verdict::ruled_out(evidence), Verdict::Likely);
    }
    // What lay there before that snapshot, a vacuum could have removed.
    let keeps = |h: &Held| h.seconds >= HELD_S && (h.all_along || dead.has_grown());
    if let Some(held) = held(&case.window).filter(keeps) {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!(
                "{}; {} has kept them for {}, so no vacuum could remove them",
                evidence.claim,
                held.holder.name,
                human_duration(held.seconds)
            ),
            ..evidence
        });
    }
    let written = case.symptoms.iter().find(|s| {
        s.detector == "mass_write" && s.relations.iter().any(|r| r.same_as(&table.relation))
    });
    if let Some(written) = written {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!("{}, and they died just now: {}", evidence.claim, written.title),
            ..evidence
        });
    }
    let workers = newest(case.window.recent(), |s| s.horizon.clone()).map(|h| {
        format!("{} of {} autovacuum workers are at work", h.n_autovacuum, h.autovacuum_max)
    });
    let says = format!(
        "{} has {} dead rows beside {} live ones, vacuumed {n_vacuums} times meanwhile; {}",
        table.relation,
        human(table.n_dead as f64),
        human(table.n_live as f64),
        workers.unwrap_or_default()
    );
    Verdict::Likely(Likely::new(0.45, says, evidence).on([table.relation.clone()]))
}

/// Rows that were written since the last vacuum, few as they may be: their pages are not all-visible
/// any more, and who read an index alone reads the table too.
const WRITTEN_SHARE: f64 = 0.01;
const WRITTEN_MIN: i64 = 500;
/// From here on the table's statistics are old too, and the plan may be another
/// (`autovacuum_analyze_scale_factor`).
const STALE_SHARE: f64 = 0.1;
/// Blocks per call, as many times as before.
const TIMES: f64 = 3.0;

/// A statement that goes on by the same indexes reads many times the blocks, of one table that was
/// written at once and not vacuumed since.
fn no_more_visible(case: &Case) -> Option<Likely> {
    if complete(case, "statements", "").is_some() {
        return None;
    }
    let before = case.window.baseline().iter().rev().find_map(|s| s.tables.as_ref())?;
    let first = case.window.samples.iter().find_map(|s| s.tables.as_ref())?;
    let now = newest(case.window.recent(), |s| s.tables.clone())?;
    let by_oid = |all: &'_ [TableCounters]| -> HashMap<u32, (i64, i64, i64)> {
        let counts = |t: &TableCounters| (t.updated + t.deleted, t.vacuums, t.seq_rows);
        all.iter().map(|t| (t.oid, counts(t))).collect()
    };
    let (first, before) = (by_oid(first), by_oid(before));
    let wrote = |t: &TableCounters| t.updated + t.deleted;
    let written = |t: &&TableCounters| {
        let (Some(old), Some(then)) = (first.get(&t.oid), before.get(&t.oid)) else { return false };
        let n = wrote(t) - old.0;
        n >= WRITTEN_MIN
            && (WRITTEN_SHARE..STALE_SHARE).contains(&(n as f64 / t.rows().max(1) as f64))
            && t.vacuums == old.1
            && t.seq_rows - then.2 <= t.rows() // no plan has changed to read it whole
    };
    let tables: Vec<&TableCounters> = now.iter().filter(written).collect();
    let pairs = regressions(&case.window);
    let grown = pairs.iter().filter(|(now, old)| {
        old.blks_per_call >= 1.0 && now.blks_per_call >= TIMES * old.blks_per_call
    });
    grown.into_iter().find_map(|(now, old)| {
        let reach = Reach::of(case, &now.text);
        let table = *tables.iter().find(|t| reach.touches(&t.relation))?;
        let n = wrote(table) - first.get(&table.oid).map_or(0, |t| t.0);
        let says = format!(
            "{} of {} rows of {} were written and not vacuumed since: their pages are not \
             all-visible any more, and who read an index alone looks into the table too, as {} \
             seems to ({} blocks per call, {} before); VACUUM {} makes them so again",
            human(n as f64),
            human(table.rows() as f64),
            table.relation,
            cut(&now.text, 100),
            human(now.blks_per_call),
            human(old.blks_per_call),
            table.relation
        );
        let blocks = Evidence::measured(
            format!("blocks per call: {}", cut(&now.text, 60)),
            now.blks_per_call,
            "blocks/call",
            sampled("statements: pg_stat_statements"),
        );
        let blocks = blocks.against(old.blks_per_call).at(case.window.now());
        Some(Likely::new(0.4, says, blocks).on([table.relation.clone()]))
    })
}

#[cfg(test)]
mod tests {
    use super::super::vac_xmin_held::tests::pinned;
    use super::*;
    use crate::testing::{case, healthy, table};

    #[test]
    fn likely_ruled_out_and_unknown() {
        assert!(judge(&pinned(false, 0)).likely().is_some());
        assert!(matches!(judge(&pinned(true, 0)), Verdict::RuledOut { present: true, .. }));
        let mut clean = pinned(false, 0);
        for s in clean.window.samples.iter_mut().flat_map(|s| s.tables.iter_mut().flatten()) {
            s.n_dead = 60;
        }
        assert!(matches!(judge(&clean), Verdict::RuledOut { present: false, .. }));
        assert!(matches!(judge(&case(healthy(35), 30)), Verdict::Unknown { .. }));
    }

    #[test]
    fn a_few_rows_written_at_once_cost_an_index_only_scan_its_table() {
        let verdict = |n_written: i64, n_read: i64| {
            let mut samples = healthy(60);
            for (s, sample) in (0..).zip(&mut samples) {
                let mut bags = table("bags", 20_000);
                (bags.planner_rows, bags.inserted) = (20_000.0, 20_000);
                bags.updated = if s >= 25 { n_written } else { 0 };
                bags.seq_rows = if s >= 30 { (s - 30) * n_read } else { 0 };
                sample.tables = Some(vec![bags]);
                sample.horizon = Some(Horizon::default());
                let calls = 10 * s;
                sample.statements = Some(vec![StatementCounters {
                    query_id: 1,
                    role: "site".to_owned(),
                    text: "SELECT count(*) FROM bags WHERE abo = $1".into(),
                    calls,
                    total_ms: calls as f64,
                    rows: calls,
                    blks: 30 * calls + (s - 30).max(0) * 5_000,
                    blks_read: 0,
                    squares_ms2: 0.0,
                }]);
            }
            judge(&case(samples, 30))
        };
        let told = verdict(1_500, 0);
        assert!(told.likely().unwrap().says.contains("not all-visible any more"), "{told:?}");
        assert!(verdict(100, 0).likely().is_none());
        assert!(verdict(2_500, 0).likely().is_none()); // its statistics are old then, too
        assert!(verdict(1_500, 20_000).likely().is_none()); // it reads the whole table now
    }

    #[test]
    fn the_table_with_most_dead_rows_counts_and_not_the_one_that_grew_most() {
        let mut old = pinned(false, 0);
        for (s, sample) in (0..).zip(&mut old.window.samples) {
            let mut queue = table("jobs", 500);
            queue.n_dead = 500_000;
            let mut busy = TableCounters { oid: 2, ..table("visits", 1_000_000) };
            busy.n_dead = 500 * s;
            sample.tables = Some(vec![busy, queue]);
        }
        let verdict = judge(&old);
        assert!(verdict.likely().unwrap().says.starts_with("jobs has 500,000"), "{verdict:?}");
    }
}
