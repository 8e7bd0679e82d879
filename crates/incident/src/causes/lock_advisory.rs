//! Someone holds an advisory lock that others want.

use super::Cause;
use crate::facts::{complete, sampled};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lock_advisory",
    name: "Advisory lock stuck or leaked through a pooler",
    necessary: "a session waits for an advisory lock",
    explains: &["lock_queue"],
    actions: &[],
    prevention: &[
        "Take advisory locks per transaction (pg_advisory_xact_lock), never through a transaction pooler",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "sessions", "sessions were not seen") {
        return unknown;
    }
    let waits = |s: &Sample| {
        s.sessions
            .iter()
            .filter(|x| x.waits_for.as_ref().is_some_and(|w| w.kind == "advisory"))
            .count()
    };
    let n = case.window.recent().iter().map(waits).max().unwrap_or(0);
    let before = case.window.baseline().iter().map(waits).max().unwrap_or(0);
    let evidence = Evidence::measured(
        "sessions that wait for an advisory lock",
        n as f64,
        "sessions",
        sampled("sessions: pg_locks"),
    )
    .against(before as f64)
    .at(case.window.now());
    if n <= before {
        return Verdict::ruled_out(evidence);
    }
    Verdict::Likely(Likely::new(0.6, format!("{n} sessions wait for an advisory lock"), evidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(33);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        let mut waiter = session(2, "active", &[1]);
        waiter.waits_for = Some(WaitedLock {
            kind: "advisory".into(),
            mode: "ExclusiveLock".into(),
            relation: None,
            since: None,
        });
        samples.last_mut().unwrap().sessions = vec![waiter];
        assert!(judge(&case(samples, 30)).likely().is_some());
        assert!(matches!(judge(&case(healthy(29), 30)), Verdict::Unknown { .. }));
    }
}
