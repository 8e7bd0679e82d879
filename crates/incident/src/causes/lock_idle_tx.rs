//! A session that does nothing holds its transaction open, and others wait for its locks.

use super::Cause;
use crate::facts::{
    catalog_was_locked, complete, cut, is_ddl, is_recovering, mentions, sampled, who,
};
use crate::forest;
use crate::roots::{behind, no_root, worst_root};
use crate::written::{changes, first_run, until};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lock_idle_tx",
    name: "Idle-in-transaction session holds locks",
    necessary: "the session at the root of the lock queue is idle in transaction",
    explains: &[
        "lock_queue",
        "throughput_drop",
        "statement_slow",
        "error_burst",
        "server_unreachable",
    ],
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
    let idles = |s: &SessionSample| s.state.starts_with("idle in transaction");
    match worst_root(case, |root, s| idles(s) && idle_s(s, root.at) >= forest::QUEUE_S) {
        Some((root, session)) => likely(case, &root, session),
        None => {
            let hidden = Some(case).filter(|c| catalog_was_locked(c)).and_then(idle_after_ddl);
            if let Some(likely) = hidden {
                return Verdict::Likely(likely);
            }
            let recent = case.window.recent().iter();
            let n_idle = recent.map(|s| s.sessions.iter().filter(|s| idles(s)).count()).max();
            no_root(
                case,
                format!(
                    "sessions wait behind an idle transaction ({} idle in transaction at most)",
                    n_idle.unwrap_or(0)
                ),
            )
        }
    }
}

/// Nobody is seen to wait for it: sessions that start are listed once they have read the catalogs.
fn idle_after_ddl(case: &Case) -> Option<Likely> {
    let sample = case.window.recent().iter().rev().find(|s| !s.sessions.is_empty())?;
    let idle = |s: &&SessionSample| {
        s.state.starts_with("idle in transaction") && is_ddl(&s.query) && !is_recovering(s)
    };
    let open_s = |s: &SessionSample| s.xact_start.map_or(0.0, |t| seconds_between(t, sample.at));
    let all = sample.sessions.iter().filter(idle);
    let session = all.max_by(|a, b| open_s(a).total_cmp(&open_s(b)))?;
    let says = format!(
        "{} has held a transaction open for {} s and done nothing for {} s, after: {}. Our own looks \
         at the system catalogs end in a lock timeout since, and who connects waits for them too",
        who(session),
        human(open_s(session)),
        human(idle_s(session, sample.at)),
        cut(&session.query, 200),
    );
    let age = Evidence::measured(
        format!("age of the transaction of pid {}", session.pid),
        open_s(session),
        "s",
        sampled("sessions: pg_stat_activity.xact_start"),
    );
    Some(Likely::new(0.75, says, age.at(sample.at)).by([session.pid]))
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
        "{} has held a transaction open for {} s and done nothing for {} s; {n} sessions wait \
         behind it{}. Its last statement: {}{}",
        who(session),
        human(open_s),
        human(idle_s),
        relations.first().map(|r| format!(" on {r}")).unwrap_or_default(),
        cut(session.query.trim_end_matches(';'), 200),
        wrote_before(case, session, &relations).unwrap_or_default(),
    );
    // A queue that starts at a waiting DDL is that DDL's: nobody else waits for what an idle reader
    // holds. It contributes, and is not ended for that.
    let score = if ddl_between && session.xid.is_none() { 0.45 } else { 0.9 };
    Verdict::Likely(
        Likely::new(score, says, behind(case, root, &format!("is {}", session.state)))
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

/// The statement that took the locks, where the last one cannot have: the one that its session was
/// seen to run before it in the transaction, else the one that its role has run since, by its count.
fn wrote_before(case: &Case, session: &SessionSample, relations: &[Relation]) -> Option<String> {
    let wrote = |text: &str| {
        (changes(text) || is_ddl(text)) && relations.iter().any(|r| mentions(text, &r.name))
    };
    if relations.is_empty() || wrote(&session.query) {
        return None;
    }
    let same = |s: &&SessionSample| {
        (s.pid, s.xact_start) == (session.pid, session.xact_start) && wrote(&s.query)
    };
    let mut looks = case.window.samples.iter().flat_map(|s| &s.sessions);
    let seen = looks.find(same).map(|s| s.query.as_str());
    let begun = session.xact_start?;
    let new = first_run(&case.window, begun, until(begun));
    let counted = new.iter().find(|s| s.role == session.role && wrote(&s.text));
    match (seen, counted) {
        (Some(text), _) => Some(format!(". What it wrote before: {}", cut(text, 160))),
        (None, Some(s)) => Some(format!(". Its role has run since: {}", cut(&s.text, 160))),
        (None, None) => None,
    }
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

        let last = samples.last_mut().unwrap();
        for waiter in last.sessions.iter_mut().skip(1) {
            let (kind, mode) = ("relation".to_owned(), "AccessExclusiveLock".to_owned());
            waiter.waits_for = Some(WaitedLock { kind, mode, relation: None, since: None });
        }
        let verdict = judge(&case(samples.clone(), 30));
        assert!(verdict.likely().unwrap().score < 0.5, "the queue is that of the waiting DDL");

        samples.last_mut().unwrap().sessions.truncate(1);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));

        samples.last_mut().unwrap().gaps.push(Gap { sampler: "sessions".into(), why: "x".into() });
        assert!(matches!(judge(&case(samples, 30)), Verdict::Unknown { .. }));
    }
}
