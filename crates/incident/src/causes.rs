//! Causes: why it is so. Every cause answers every case: likely, ruled out by a number, or
//! unknown for want of something it names.
//!
//! One file each; the file's name is the cause's id, as in the catalogue of causes.

use pgward_model::prelude::*;

mod auth_brute_force;
mod auth_credentials;
mod auth_hba_tls;
mod auth_intrusion;
mod auth_privilege;
mod batch_bulk;
mod batch_cron;
mod cfg_change;
mod cfg_timeout;
mod conn_exhausted;
mod conn_pooler;
mod conn_prepared_pooling;
mod cpu_saturation;
mod crash_bug;
mod disk_data_full;
mod disk_wal_full;
mod env_clock;
mod ext_mismatch;
mod fn_trigger_loop;
mod ha_wrong_role;
mod int_collation;
mod int_corruption;
mod int_index_corruption;
mod io_checkpoint;
mod io_hardware;
mod io_read;
mod load_n_plus_1;
mod load_retry_storm;
mod load_spike;
mod lock_advisory;
mod lock_ddl_held;
mod lock_ddl_queue;
mod lock_deadlock;
mod lock_hot_row;
mod lock_idle_tx;
mod lock_prepared_xact;
mod lwlock_buffer_wal;
mod lwlock_lockmanager;
mod lwlock_multixact;
mod lwlock_subtrans;
mod mem_lock_table;
mod mem_oom_kill;
mod mem_temp_spill;
mod mon_self;
mod net_dns;
mod net_latency;
mod plan_bad_index;
mod plan_generic;
mod plan_invalid_index;
mod plan_missing_index;
mod plan_stats_flip;
mod repl_conflict;
mod repl_lag;
mod repl_logical_stuck;
mod repl_sync_stall;
mod schema_data_loss;
mod schema_half_migration;
mod schema_missing_object;
mod seq_behind;
mod seq_overflow;
mod srv_starting;
mod upg_major;
mod vac_bloat;
mod vac_wraparound;
mod vac_xmin_held;
mod wal_retention;

pub use auth_privilege::{groups_left, rights_taken};
pub use plan_invalid_index::refused_by_rows;

/// One cause.
#[derive(Debug)]
pub struct Cause {
    /// File name.
    pub id: &'static str,
    /// What it is, for people.
    pub name: &'static str,
    /// The fact that must hold for it; its opposite rules it out.
    pub necessary: &'static str,
    /// Ids of detectors whose symptoms it explains.
    pub explains: &'static [&'static str],
    /// Ids of recovery actions, best first; empty where a person must act.
    pub actions: &'static [&'static str],
    /// What keeps it from coming back, in the imperative: the post-mortem's tasks.
    pub prevention: &'static [&'static str],
    pub judge: fn(&Case) -> Verdict,
}

/// All causes.
pub static CAUSES: &[&Cause] = &[
    &auth_brute_force::CAUSE,
    &auth_credentials::CAUSE,
    &auth_hba_tls::CAUSE,
    &auth_intrusion::CAUSE,
    &auth_privilege::CAUSE,
    &batch_bulk::CAUSE,
    &batch_cron::CAUSE,
    &cfg_change::CAUSE,
    &cfg_timeout::CAUSE,
    &conn_exhausted::CAUSE,
    &conn_pooler::CAUSE,
    &conn_prepared_pooling::CAUSE,
    &cpu_saturation::CAUSE,
    &crash_bug::CAUSE,
    &disk_data_full::CAUSE,
    &disk_wal_full::CAUSE,
    &env_clock::CAUSE,
    &ext_mismatch::CAUSE,
    &fn_trigger_loop::CAUSE,
    &ha_wrong_role::CAUSE,
    &int_collation::CAUSE,
    &int_corruption::CAUSE,
    &int_index_corruption::CAUSE,
    &io_checkpoint::CAUSE,
    &io_hardware::CAUSE,
    &io_read::CAUSE,
    &load_n_plus_1::CAUSE,
    &load_retry_storm::CAUSE,
    &load_spike::CAUSE,
    &lock_advisory::CAUSE,
    &lock_ddl_held::CAUSE,
    &lock_ddl_queue::CAUSE,
    &lock_deadlock::CAUSE,
    &lock_hot_row::CAUSE,
    &lock_idle_tx::CAUSE,
    &lock_prepared_xact::CAUSE,
    &lwlock_buffer_wal::CAUSE,
    &lwlock_lockmanager::CAUSE,
    &lwlock_multixact::CAUSE,
    &lwlock_subtrans::CAUSE,
    &mem_lock_table::CAUSE,
    &mem_oom_kill::CAUSE,
    &mem_temp_spill::CAUSE,
    &mon_self::CAUSE,
    &net_dns::CAUSE,
    &net_latency::CAUSE,
    &plan_bad_index::CAUSE,
    &plan_generic::CAUSE,
    &plan_invalid_index::CAUSE,
    &plan_missing_index::CAUSE,
    &plan_stats_flip::CAUSE,
    &repl_conflict::CAUSE,
    &repl_lag::CAUSE,
    &repl_logical_stuck::CAUSE,
    &repl_sync_stall::CAUSE,
    &schema_data_loss::CAUSE,
    &schema_half_migration::CAUSE,
    &schema_missing_object::CAUSE,
    &seq_behind::CAUSE,
    &seq_overflow::CAUSE,
    &srv_starting::CAUSE,
    &upg_major::CAUSE,
    &vac_bloat::CAUSE,
    &vac_wraparound::CAUSE,
    &vac_xmin_held::CAUSE,
    &wal_retention::CAUSE,
];

/// Every cause's verdict: likely ones first by score, then ruled out, then unknown.
///
/// What was seen speaks for itself, what was not seen rules nothing out: a cause that answers
/// unknown for want of a sampler is asked again about what there is, and only a likely answer
/// counts then. One that explains no symptom is unknown, however plain its facts: it is there, and
/// whether anybody suffers from it is not seen.
pub fn judge(case: &Case) -> Vec<Judged> {
    let seen = without_gaps(case);
    let verdict = |cause: &Cause| match ((cause.judge)(case), &seen) {
        (Verdict::Unknown { missing }, Some(seen)) => match (cause.judge)(seen) {
            Verdict::Likely(likely) => Verdict::Likely(likely),
            _ => Verdict::Unknown { missing },
        },
        (verdict, _) => verdict,
    };
    let explains = |cause: &Cause| {
        let explained = |s: &Symptom| cause.explains.contains(&s.detector.as_str());
        case.symptoms.is_empty() || case.symptoms.iter().any(explained)
    };
    let felt = |cause: &Cause| match verdict(cause) {
        Verdict::Likely(likely) if !explains(cause) => {
            Verdict::unknown(format!("whether anybody suffers from it: {}", likely.says))
        }
        verdict => verdict,
    };
    let mut judged: Vec<Judged> =
        CAUSES.iter().map(|c| Judged { cause: c.id.to_owned(), verdict: felt(c) }).collect();
    judged.sort_by(|a, b| rank(&b.verdict).total_cmp(&rank(&a.verdict)));
    judged
}

/// The same case as if nothing had been missed; `None` when nothing was.
fn without_gaps(case: &Case) -> Option<Case> {
    case.window.samples.iter().any(|s| !s.gaps.is_empty()).then(|| {
        let mut seen = case.clone();
        seen.window.samples.iter_mut().for_each(|s| s.gaps.clear());
        seen
    })
}

/// The cause of that id.
pub fn cause(id: &str) -> Option<&'static Cause> {
    CAUSES.iter().find(|c| c.id == id).copied()
}

fn rank(verdict: &Verdict) -> f64 {
    match verdict {
        Verdict::Likely(likely) => 10.0 + likely.score,
        Verdict::RuledOut { present: true, .. } => 2.0,
        Verdict::RuledOut { .. } => 1.0,
        Verdict::Unknown { .. } => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_registered_under_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/causes");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        assert_eq!(files, CAUSES.iter().map(|x| x.id).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_storm_that_was_cut_is_diagnosed_and_nothing_else_is_ruled_out_by_it() {
        use crate::testing::{case, healthy, log};
        let mut samples = healthy(35);
        if let Some(last) = samples.last_mut() {
            last.log = vec![log(34, "ERROR", "42501", "permission denied for table orders"); 9];
            last.gaps.push(Gap { sampler: "log".into(), why: "3,000 lines dropped".into() });
        }
        let judged = judge(&case(samples, 30));
        let of = |id: &str| judged.iter().find(|j| j.cause == id).map(|j| &j.verdict);
        assert!(of("auth_privilege").is_some_and(|v| v.likely().is_some()));
        assert!(matches!(of("crash_bug"), Some(Verdict::Unknown { .. })));
    }

    #[test]
    fn what_explains_no_symptom_is_not_likely() {
        use crate::testing::{at, case, healthy, log};
        let score = |detector: &str| {
            let mut samples = healthy(35);
            if let Some(last) = samples.last_mut() {
                last.log = vec![log(34, "ERROR", "42501", "permission denied for table orders"); 9];
            }
            let mut case = case(samples, 30);
            let evidence = Evidence::measured("x", 1.0, "x", Source::new(SourceKind::Sample, ""));
            let (at, weight) = (at(34), Weight::Harm);
            case.symptoms = vec![Symptom::new(detector, at, at, weight, "x", evidence)];
            let judged = judge(&case);
            let found = judged.iter().find(|j| j.cause == "auth_privilege");
            found.and_then(|j| j.verdict.likely()).map_or(0.0, |l| l.score)
        };
        assert!(score("error_burst") > 0.5);
        assert_eq!(score("lock_queue"), 0.0);
    }

    #[test]
    fn explained_symptoms_exist_and_every_detector_is_explained() {
        use crate::detectors::DETECTORS;
        for cause in CAUSES {
            for id in cause.explains {
                assert!(DETECTORS.iter().any(|d| d.id == *id), "{} explains {id}", cause.id);
            }
        }
        for detector in DETECTORS {
            assert!(CAUSES.iter().any(|c| c.explains.contains(&detector.id)), "{}", detector.id);
        }
    }
}
