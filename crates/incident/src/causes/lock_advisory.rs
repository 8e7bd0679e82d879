//! Someone holds an advisory lock that others want.

use super::Cause;
use crate::facts::{complete, cut, sampled, who};
use crate::forest;
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
    let waiting = format!("{n} sessions wait for an advisory lock");
    let Some((root, session)) = holder(case) else {
        return Verdict::Likely(Likely::new(0.6, waiting, evidence));
    };
    let idle_s = session.state_change.map_or(0.0, |t| seconds_between(t, root.at));
    let says = format!(
        "{waiting} that {} holds, {} for {}; its last statement: {}",
        who(session),
        session.state,
        human_duration(idle_s),
        cut(&session.query, 160)
    );
    let source = sampled("sessions: pg_stat_activity.state_change");
    let claim = format!("pid {} has been {}", session.pid, session.state);
    let since = Evidence::measured(claim, idle_s, "s", source).at(root.at);
    Verdict::Likely(Likely::new(0.6, says, evidence).and(since).by([session.pid]))
}

/// Who is at the root of the longest queue for an advisory lock.
fn holder(case: &Case) -> Option<(forest::Root<'_>, &SessionSample)> {
    let waits = |w: &&SessionSample| w.waits_for.as_ref().is_some_and(|l| l.kind == "advisory");
    let roots = case.window.recent().iter().flat_map(forest::roots);
    let worst = roots.max_by_key(|r| r.waiters.iter().copied().filter(|w| waits(w)).count())?;
    let session = worst.session?;
    Some((worst, session))
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
