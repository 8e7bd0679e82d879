//! A session that does nothing holds its transaction open, and others wait for its locks.

use super::Cause;
use crate::facts::{against_before, complete, cut, most_waiters, sampled, unseen_blocker, who};
use crate::forest;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lock_idle_tx",
    name: "Idle-in-transaction session holds locks",
    necessary: "the session at the root of the lock queue is idle in transaction",
    explains: &["lock_queue", "throughput_drop", "statement_slow", "error_burst"],
    actions: &["terminate_blocker"],
    prevention: &[
        "Set idle_in_transaction_session_timeout for the role that ran the script",
        "Send data-changing scripts through `pgward apply`, which bounds rows, waiters and time",
        "Keep waits and network calls of scripts outside of transactions",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "sessions", "sessions were not seen") {
        return unknown;
    }
    let recent = case.window.recent();
    let idle = |r: &forest::Root<'_>| {
        r.session.is_some_and(|s| {
            s.state.starts_with("idle in transaction") && idle_s(s, r.at) >= forest::QUEUE_S
        }) && r.waiters.iter().any(|w| forest::waited_s(w, r.at) >= forest::QUEUE_S)
    };
    let worst = recent.iter().flat_map(forest::roots).filter(idle).max_by_key(|r| r.waiters.len());
    let Some(root) = worst else {
        if let Some(unknown) = unseen_blocker(case) {
            return unknown;
        }
        let n_idle = recent
            .iter()
            .map(|s| {
                s.sessions.iter().filter(|x| x.state.starts_with("idle in transaction")).count()
            })
            .max()
            .unwrap_or(0);
        let evidence = Evidence::measured(
            format!("sessions behind an idle transaction ({n_idle} idle in transaction at most)"),
            0.0,
            "waiting sessions",
            sampled("sessions"),
        )
        .at(case.window.now());
        return Verdict::ruled_out(against_before(evidence, case, most_waiters));
    };
    let Some(session) = root.session else { return Verdict::unknown("the blocker's session") };
    likely(case, &root, session)
}

fn idle_s(session: &SessionSample, at: Timestamp) -> f64 {
    session.state_change.map_or(0.0, |t| seconds_between(t, at))
}

fn likely(case: &Case, root: &forest::Root<'_>, session: &SessionSample) -> Verdict {
    let open_s = session.xact_start.map_or(0.0, |t| seconds_between(t, root.at));
    let idle_s = idle_s(session, root.at);
    let ddl_between = root.waiters.iter().any(|w| w.waits_for.as_ref().is_some_and(is_strong));
    let relations: Vec<Relation> = root
        .waiters
        .iter()
        .filter_map(|w| w.waits_for.as_ref()?.relation.clone())
        .chain(session.holds.iter().filter(|h| writes(h)).map(|h| h.relation.clone()))
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    let n = root.waiters.len();
    let says = format!(
        "{} has held a transaction open for {} s and done nothing for {} s; {n} sessions wait for \
         its locks{}. Its last statement: {}",
        who(session),
        human(open_s),
        human(idle_s),
        relations.first().map(|r| format!(" on {r}")).unwrap_or_default(),
        cut(&session.query, 200),
    );
    // A queue that starts at a waiting DDL is that DDL's; the idle reader contributes.
    let score = if ddl_between && session.xid.is_none() { 0.6 } else { 0.9 };
    Verdict::Likely(
        Likely::new(
            score,
            says,
            against_before(
                Evidence::measured(
                    format!("sessions wait behind pid {}, which is {}", root.pid, session.state),
                    n as f64,
                    "sessions",
                    sampled("sessions: pg_blocking_pids"),
                )
                .at(root.at),
                case,
                most_waiters,
            ),
        )
        .and(
            Evidence::measured(
                format!("age of the transaction of pid {}", root.pid),
                open_s,
                "s",
                sampled("sessions: pg_stat_activity.xact_start"),
            )
            .at(root.at),
        )
        .and(
            Evidence::measured(
                format!("time pid {} has been idle in it", root.pid),
                idle_s,
                "s",
                sampled("sessions: pg_stat_activity.state_change"),
            )
            .at(root.at),
        )
        .by([root.pid])
        .on(relations)
        .act(CAUSE.actions),
    )
}

fn is_strong(lock: &WaitedLock) -> bool {
    lock.kind == "relation"
        && LockMode::from_pg_name(&lock.mode).is_some_and(LockMode::blocks_reads)
}

fn writes(lock: &HeldLock) -> bool {
    LockMode::from_pg_name(&lock.mode).is_some_and(|m| m >= LockMode::RowExclusive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, sample, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(30);
        let mut last = sample(33, 2900);
        last.sessions = vec![session(1, "idle in transaction", &[]), session(2, "active", &[1])];
        samples.push(last);
        let verdict = judge(&case(samples.clone(), 30));
        assert_eq!(verdict.likely().unwrap().pids, [1]);

        samples.last_mut().unwrap().sessions.truncate(1);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));

        samples.last_mut().unwrap().gaps.push(Gap { sampler: "sessions".into(), why: "x".into() });
        assert!(matches!(judge(&case(samples, 30)), Verdict::Unknown { .. }));
    }
}
