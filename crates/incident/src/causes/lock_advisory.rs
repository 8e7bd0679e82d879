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
    let waits = |s: &Sample| s.sessions.iter().filter(|x| wants(x)).count();
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
    let Some((sample, session)) = holder(case) else {
        return Verdict::Likely(Likely::new(0.6, waiting, evidence));
    };
    let idle_s = session.state_change.map_or(0.0, |t| seconds_between(t, sample.at));
    let behind = match forest::roots(sample).into_iter().find(|r| stands_behind(session, r)) {
        Some(root) => format!(", itself behind {}", root.session.map_or_else(String::new, who)),
        None => String::new(),
    };
    let n_kept = kept_by(sample, session.pid);
    let says = format!(
        "{waiting}, {n_kept} of them for one that {} holds, {} for {}{behind}; its last statement: {}",
        who(session),
        session.state,
        human_duration(idle_s),
        cut(&session.query, 160)
    );
    let source = sampled("sessions: pg_stat_activity.state_change");
    let claim = format!("pid {} has been {}", session.pid, session.state);
    let since = Evidence::measured(claim, idle_s, "s", source).at(sample.at);
    Verdict::Likely(Likely::new(0.6, says, evidence).and(since).by([session.pid]))
}

/// Does it wait for an advisory lock?
fn wants(session: &SessionSample) -> bool {
    session.waits_for.as_ref().is_some_and(|lock| lock.kind == "advisory")
}

/// Who keeps most sessions from an advisory lock, when most wait for one: not who is before them in
/// its queue, nor who in turn keeps the holder waiting.
fn holder(case: &Case) -> Option<(&Sample, &SessionSample)> {
    let sample = case
        .window
        .recent()
        .iter()
        .max_by_key(|s| s.sessions.iter().filter(|x| wants(x)).count())?;
    let holders = sample.sessions.iter().filter(|s| !wants(s) && kept_by(sample, s.pid) > 0);
    Some((sample, holders.max_by_key(|s| kept_by(sample, s.pid))?))
}

fn kept_by(sample: &Sample, pid: Pid) -> usize {
    sample.sessions.iter().filter(|x| wants(x) && x.blocked_by.contains(&pid)).count()
}

fn stands_behind(session: &SessionSample, root: &forest::Root<'_>) -> bool {
    root.session.is_some() && root.waiters.iter().any(|w| w.pid == session.pid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, session};

    #[test]
    fn the_holder_is_told_and_who_keeps_it_waiting_is_another() {
        let mut samples = healthy(33);
        let lock = |kind: &str| WaitedLock {
            kind: kind.into(),
            mode: "ExclusiveLock".into(),
            relation: None,
            since: None,
        };
        let mut holder = session(2, "active", &[1]);
        holder.waits_for = Some(lock("transactionid"));
        let waiter = |pid: Pid, blocked_by: &[Pid]| {
            let mut waiter = session(pid, "active", blocked_by);
            waiter.waits_for = Some(lock("advisory"));
            waiter
        };
        let console = session(1, "idle in transaction", &[]);
        let sessions = vec![console, holder, waiter(3, &[2]), waiter(4, &[2, 3])];
        samples.last_mut().unwrap().sessions = sessions;
        let verdict = judge(&case(samples, 30));
        let likely = verdict.likely().unwrap();
        assert_eq!(likely.pids, [2]);
        assert!(likely.says.contains("itself behind pid 1 of"), "{}", likely.says);
    }

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
