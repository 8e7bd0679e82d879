//! A prepared transaction that nobody finished holds locks.

use super::Cause;
use crate::facts::{against_before, complete, sampled};
use crate::forest;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lock_prepared_xact",
    name: "Orphaned two-phase transaction holds locks",
    necessary: "a waiting session is blocked by pid 0",
    explains: &["lock_queue", "throughput_drop"],
    actions: &[],
    prevention: &["Set max_prepared_transactions = 0 unless a transaction manager needs it"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "sessions", "sessions were not seen") {
        return unknown;
    }
    let n = case
        .window
        .recent()
        .iter()
        .flat_map(forest::roots)
        .filter(|r| r.pid == 0)
        .map(|r| r.waiters.len())
        .max()
        .unwrap_or(0);
    let evidence = Evidence::measured(
        "sessions blocked by a prepared transaction (pid 0)",
        n as f64,
        "sessions",
        sampled("sessions: pg_blocking_pids"),
    )
    .at(case.window.now());
    let evidence = against_before(evidence, case, |samples| {
        samples.iter().flat_map(forest::roots).filter(|r| r.pid == 0).count() as f64
    });
    if n == 0 {
        return Verdict::ruled_out(evidence);
    }
    Verdict::Likely(Likely::new(
        0.95,
        format!("{n} sessions wait for a prepared transaction; see pg_prepared_xacts for its gid"),
        evidence,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, sample, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(30);
        let mut last = sample(30, 2900);
        last.sessions = vec![session(2, "active", &[0])];
        samples.push(last);
        assert!(judge(&case(samples, 30)).likely().is_some());
        assert!(matches!(judge(&case(healthy(33), 30)), Verdict::RuledOut { .. }));
        assert!(matches!(judge(&case(healthy(29), 30)), Verdict::Unknown { .. }));
    }
}
