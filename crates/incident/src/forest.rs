//! The wait-for forest: who waits for whom, with waiting requests as blockers too.

use pgward_model::prelude::*;
use std::collections::{HashMap, HashSet};

/// A session that keeps others waiting and waits for no lock itself.
#[derive(Debug, Clone)]
pub struct Root<'a> {
    pub at: Timestamp,
    pub pid: Pid,
    /// `None`: a prepared transaction (pid 0) or a backend we may not see.
    pub session: Option<&'a SessionSample>,
    /// Everyone behind it, nearest first.
    pub waiters: Vec<&'a SessionSample>,
}

/// When a session's wait for its lock began.
///
/// Source: `pg_locks.waitstart`; where that is not known, the begin of the statement, which is
/// earlier by the time the statement ran before it had to wait.
pub fn waits_since(session: &SessionSample) -> Option<Timestamp> {
    session.waits_for.as_ref().and_then(|wait| wait.since).or(session.query_start)
}

/// Seconds of waiting that make a queue: above `deadlock_timeout` (1 s), after which what
/// still waits is no deadlock, and well below the patience of users (about 10 s). A session
/// that has idled or worked for as long while others wait is the one they wait for.
pub const QUEUE_S: f64 = 2.0;

/// How long a session has waited for its lock at that moment, in seconds; an upper bound
/// where [`waits_since`] is one.
pub fn waited_s(session: &SessionSample, at: Timestamp) -> f64 {
    waits_since(session).map_or(0.0, |start| seconds_between(start, at).max(0.0))
}

/// Has somebody waited long behind the root, one session or one after the other?
pub fn waits_long(root: &Root<'_>, before: &[Sample]) -> bool {
    root.waiters.iter().any(|w| waited_s(w, root.at) >= QUEUE_S) || kept_waiting(root, before) > 0
}

/// Clients that give up before [`QUEUE_S`] and ask again wait as much, one after the other: the
/// fewest that the same transaction kept waiting right behind it in each of the samples `before`
/// of that time; 0 where it did not in each. Locks that end before the transaction does count for
/// nothing, nor does what a session holds without one.
pub fn kept_waiting(root: &Root<'_>, before: &[Sample]) -> usize {
    let Some(session) = root.session.filter(|s| s.xact_start.is_some()) else { return 0 };
    let same = |s: &SessionSample| {
        (s.pid, s.backend_start, s.xact_start)
            == (session.pid, session.backend_start, session.xact_start)
            && s.blocked_by.is_empty()
    };
    let waits = |w: &&SessionSample| {
        let passes = |l: &WaitedLock| ["extend", "page", "spectoken"].contains(&l.kind.as_str());
        w.blocked_by.contains(&session.pid) && !w.waits_for.as_ref().is_some_and(passes)
    };
    let mut least = root.waiters.iter().copied().filter(|w| waits(w)).count();
    for sample in before.iter().rev() {
        if least == 0 || !sample.sessions.iter().any(same) {
            return 0;
        }
        least = least.min(sample.sessions.iter().filter(waits).count());
        if seconds_between(sample.at, root.at) >= QUEUE_S {
            return least;
        }
    }
    0
}

/// Roots of the sample's forest, most waiters first.
pub fn roots(sample: &Sample) -> Vec<Root<'_>> {
    let by_pid: HashMap<Pid, &SessionSample> = sample.sessions.iter().map(|s| (s.pid, s)).collect();
    let mut behind: HashMap<Pid, Vec<&SessionSample>> = HashMap::new();
    for session in &sample.sessions {
        for blocker in &session.blocked_by {
            behind.entry(*blocker).or_default().push(session);
        }
    }
    let mut roots: Vec<Root<'_>> = behind
        .keys()
        .filter(|pid| by_pid.get(*pid).is_none_or(|s| s.blocked_by.is_empty()))
        .map(|pid| Root {
            at: sample.at,
            pid: *pid,
            session: by_pid.get(pid).copied(),
            waiters: subtree(*pid, &behind),
        })
        .collect();
    roots.sort_by_key(|r| (std::cmp::Reverse(r.waiters.len()), r.pid));
    roots
}

fn subtree<'a>(root: Pid, behind: &HashMap<Pid, Vec<&'a SessionSample>>) -> Vec<&'a SessionSample> {
    let mut seen = HashSet::from([root]);
    let mut queue = std::collections::VecDeque::from([root]);
    let mut out = Vec::new();
    while let Some(pid) = queue.pop_front() {
        for session in behind.get(&pid).into_iter().flatten() {
            if seen.insert(session.pid) {
                out.push(*session);
                queue.push_back(session.pid);
            }
        }
    }
    out
}

/// The root with the most waiters over a run of samples, at its worst moment.
pub fn worst(samples: &[Sample]) -> Option<Root<'_>> {
    samples.iter().flat_map(|s| roots(s).into_iter().next()).max_by_key(|r| r.waiters.len())
}

/// The lock tree for a figure: the root and everyone behind it at that moment.
pub fn tree(root: &Root<'_>) -> Vec<LockTreeNode> {
    let node = |s: &SessionSample, parent: Option<Pid>| LockTreeNode {
        pid: s.pid,
        parent,
        role: s.role.clone(),
        application: s.application.clone(),
        state: s.state.clone(),
        statement: s.query.clone(),
        waits_for: s.waits_for.as_ref().map(describe_wait).unwrap_or_default(),
        waited_s: waited_s(s, root.at),
    };
    let mut nodes = vec![match root.session {
        Some(session) => LockTreeNode { waited_s: 0.0, ..node(session, None) },
        None => LockTreeNode {
            pid: root.pid,
            parent: None,
            role: String::new(),
            application: "prepared transaction".to_owned(),
            state: String::new(),
            statement: String::new(),
            waits_for: String::new(),
            waited_s: 0.0,
        },
    }];
    let known: HashSet<Pid> = root.waiters.iter().map(|w| w.pid).chain([root.pid]).collect();
    nodes.extend(root.waiters.iter().map(|w| {
        node(w, w.blocked_by.iter().copied().find(|p| known.contains(p)).or(Some(root.pid)))
    }));
    nodes
}

/// `ACCESS EXCLUSIVE on orders`, `a row of accounts`.
pub fn describe_wait(wait: &WaitedLock) -> String {
    let mode = LockMode::from_pg_name(&wait.mode).map_or(wait.mode.clone(), |m| m.to_string());
    match (wait.kind.as_str(), &wait.relation) {
        ("relation", Some(relation)) => format!("{mode} on {relation}"),
        ("transactionid" | "tuple", Some(relation)) => format!("a row of {relation}"),
        ("transactionid", None) => "a row another transaction has changed".to_owned(),
        (kind, _) => format!("{kind} lock"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::session;

    #[test]
    fn a_waiting_ddl_is_in_the_middle_and_the_reader_the_root() {
        let sessions = vec![
            session(1, "idle in transaction", &[]),
            session(2, "active", &[1]),
            session(3, "active", &[2]),
            session(4, "active", &[2]),
        ];
        let sample = Sample { sessions, ..Sample::default() };
        let found = roots(&sample);
        let root = found.first().unwrap();
        assert_eq!((found.len(), root.pid), (1, 1));
        assert_eq!(root.waiters.iter().map(|w| w.pid).collect::<Vec<_>>(), [2, 3, 4]);
        let parents: Vec<_> = tree(root).iter().map(|n| n.parent).collect();
        assert_eq!(parents, [None, Some(1), Some(2), Some(2)]);
    }

    #[test]
    fn a_prepared_transaction_is_a_root_without_session() {
        let sample = Sample { sessions: vec![session(3, "active", &[0])], ..Sample::default() };
        let found = roots(&sample);
        assert!(found.first().unwrap().session.is_none());
    }
}
