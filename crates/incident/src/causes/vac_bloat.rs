//! Dead rows pile up because autovacuum does not come through.

use super::Cause;
use super::vac_xmin_held::{held, most_dead};
use crate::facts::{complete, sampled};
use crate::forecast::newest;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "vac_bloat",
    name: "Autovacuum too slow or blocked",
    necessary: "dead rows above what autovacuum tolerates, and nobody's snapshot keeps them",
    explains: &["statement_slow", "throughput_drop"],
    actions: &[],
    prevention: &[
        "Lower autovacuum_vacuum_scale_factor of the tables that change most",
        "Raise autovacuum_vacuum_cost_limit before the number of workers",
    ],
    judge,
};

/// The default threshold and scale factor of autovacuum, which starts at 50 + 20% of live rows;
/// at twice that it has not come, or not through.
const THRESHOLD: f64 = 2.0 * 50.0;
const SCALE: f64 = 2.0 * 0.2;
/// A few pages of dead rows slow nothing down.
const DEAD_MIN: f64 = 1_000.0;
/// As for [`super::vac_xmin_held`].
const HELD_S: f64 = 10.0;

fn judge(case: &Case) -> Verdict {
    for (sampler, words) in [
        ("tables", "dead rows were not counted"),
        ("horizon", "holders of snapshots were not seen"),
    ] {
        if let Some(unknown) = complete(case, sampler, words) {
            return unknown;
        }
    }
    let Some((table, before, n_vacuums)) = most_dead(case) else {
        return Verdict::unknown("no table was counted since the onset");
    };
    let tolerated = THRESHOLD + SCALE * table.n_live as f64;
    let evidence = Evidence::measured(
        format!("dead rows in {}; autovacuum tolerates {}", table.relation, human(tolerated / 2.0)),
        table.n_dead as f64,
        "rows",
        sampled("tables: pg_stat_user_tables.n_dead_tup"),
    )
    .against(before as f64)
    .at(case.window.now());
    if (table.n_dead as f64) < tolerated.max(DEAD_MIN) {
        return Verdict::ruled_out(evidence);
    }
    if let Some((holder, s)) = held(case).filter(|(_, s)| *s >= HELD_S) {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!(
                "{}; {} has kept them for {}, so no vacuum could remove them",
                evidence.claim,
                holder.name,
                human_duration(s)
            ),
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
    Verdict::Likely(Likely::new(0.45, says, evidence).on([table.relation]))
}

#[cfg(test)]
mod tests {
    use super::super::vac_xmin_held::tests::pinned;
    use super::*;
    use crate::testing::{case, healthy};

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
}
