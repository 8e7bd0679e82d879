//! Dead rows pile up because autovacuum does not come through.

use super::Cause;
use crate::facts::{complete, sampled};
use crate::forecast::newest;
use crate::horizon::{HELD_S, Held, held, most_dead, tolerated};
use pgward_model::prelude::*;

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
        return Verdict::ruled_out(evidence);
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
