//! A sample, or an incident, folded to what fits on one screen.

use crate::forest::{self, Root, describe_wait};
use pgward_model::prelude::*;
use std::collections::HashSet;

/// Blockers told of one server.
const BLOCKERS_MAX: usize = 20;
/// Different waits told of one blocker.
const WAITS_MAX: usize = 3;

/// What client sessions do.
pub fn activity(sample: &Sample) -> Activity {
    let mut activity = Activity { n_sessions: sample.sessions.len(), ..Activity::default() };
    for session in &sample.sessions {
        if session.wait_type == "Lock" {
            activity.n_waiting += 1;
        } else if session.state == "active" {
            activity.n_active += 1;
        } else if session.state.starts_with("idle in transaction") {
            activity.n_idle_in_transaction += 1;
        }
    }
    let open = sample.sessions.iter().filter_map(|s| Some((s.xact_start?, s.pid)));
    activity.oldest_transaction = open.min();
    activity
}

/// Those who keep others waiting, most waiters first.
pub fn blockers(sample: &Sample) -> Vec<Blocker> {
    forest::roots(sample).iter().take(BLOCKERS_MAX).map(|root| blocker(sample, root)).collect()
}

fn blocker(sample: &Sample, root: &Root<'_>) -> Blocker {
    let told =
        |field: fn(&SessionSample) -> &String| root.session.map(field).cloned().unwrap_or_default();
    let mut waits_for: Vec<String> = Vec::new();
    for wait in root.waiters.iter().filter_map(|w| w.waits_for.as_ref()).map(describe_wait) {
        if waits_for.len() < WAITS_MAX && !waits_for.contains(&wait) {
            waits_for.push(wait);
        }
    }
    let longest = root.waiters.iter().map(|w| forest::waited_s(w, root.at)).fold(0.0, f64::max);
    Blocker {
        pid: root.pid,
        role: told(|s| &s.role),
        application: match root.session {
            None if root.pid == 0 => "prepared transaction".to_owned(),
            _ => told(|s| &s.application),
        },
        client: told(|s| &s.client),
        state: told(|s| &s.state),
        since: root.session.and_then(|s| s.state_change),
        statement: told(|s| &s.query),
        n_waiters: root.waiters.len(),
        longest_wait_s: longest,
        waits_for,
        queue_head: queue_head(sample, root),
    }
}

/// The waiter whose end lets most others go on; those behind it must be more than it is alone.
fn queue_head(sample: &Sample, root: &Root<'_>) -> Option<QueueHead> {
    let (head, n_resume) = root
        .waiters
        .iter()
        .map(|w| (*w, resumes(sample, w.pid).at_once.len()))
        .max_by_key(|(w, n)| (*n, std::cmp::Reverse(w.pid)))?;
    (n_resume > 1).then(|| QueueHead {
        pid: head.pid,
        role: head.role.clone(),
        application: head.application.clone(),
        statement: head.query.clone(),
        n_resume,
    })
}

/// Who goes on when a session ends.
#[derive(Debug, Clone, Default)]
pub struct Resumed<'a> {
    /// They wait for nobody else.
    pub at_once: Vec<&'a SessionSample>,
    /// They wait for it, but for another or for one of the first too: their turn comes later,
    /// or not by this.
    pub later: Vec<&'a SessionSample>,
}

/// Who goes on when `pid` ends, told from the wait-for forest of that moment. A waiter for a
/// row counts as going on at once only when it waits for nobody else.
pub fn resumes(sample: &Sample, pid: Pid) -> Resumed<'_> {
    let mut behind = HashSet::from([pid]);
    loop {
        let n = behind.len();
        let new =
            sample.sessions.iter().filter(|s| s.blocked_by.iter().any(|b| behind.contains(b)));
        behind.extend(new.map(|s| s.pid).collect::<Vec<_>>());
        if behind.len() == n {
            break;
        }
    }
    let waiting = sample.sessions.iter().filter(|s| s.pid != pid && behind.contains(&s.pid));
    let (at_once, later) = waiting.partition(|s| s.blocked_by.iter().all(|b| *b == pid));
    Resumed { at_once, later }
}

/// An incident in one line.
pub fn line(incident: &Incident) -> IncidentLine {
    let worst = incident.symptoms.iter().find(|s| s.weight == Weight::Harm);
    let title = worst.or(incident.symptoms.first()).map(|s| s.title.clone()).unwrap_or_default();
    IncidentLine {
        id: incident.id.clone(),
        opened: incident.opened,
        closed: incident.closed,
        title,
        cause: incident.first().map(|(id, likely)| (id.to_owned(), likely.says.clone())),
        proposed: incident.runbooks.last().map(|r| r.title.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::session;

    /// An idle reader, an ALTER TABLE behind it, three readers behind that one.
    fn queue() -> Sample {
        let sessions = vec![
            session(1, "idle in transaction", &[]),
            session(2, "active", &[1]),
            session(3, "active", &[2]),
            session(4, "active", &[2]),
            session(5, "active", &[2, 1]),
            session(6, "active", &[]),
        ];
        Sample { sessions, ..Sample::default() }
    }

    #[test]
    fn cancelling_the_queued_ddl_frees_those_who_wait_for_it_alone() {
        let sample = queue();
        let pids = |sessions: &[&SessionSample]| sessions.iter().map(|s| s.pid).collect::<Vec<_>>();
        let without_ddl = resumes(&sample, 2);
        assert_eq!((pids(&without_ddl.at_once), pids(&without_ddl.later)), (vec![3, 4], vec![5]));
        let without_reader = resumes(&sample, 1);
        assert_eq!(pids(&without_reader.at_once), [2]);
        assert_eq!(pids(&without_reader.later), [3, 4, 5]);
        assert!(resumes(&sample, 6).at_once.is_empty());
    }

    #[test]
    fn the_blocker_and_the_head_of_its_queue_are_told_apart() {
        let sample = queue();
        let found = blockers(&sample);
        let [blocker] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((blocker.pid, blocker.n_waiters), (1, 4));
        let head = blocker.queue_head.as_ref().unwrap();
        assert_eq!((head.pid, head.n_resume), (2, 2));
    }

    #[test]
    fn sessions_are_counted_by_what_they_do() {
        let found = activity(&queue());
        let counts = (found.n_sessions, found.n_active, found.n_waiting);
        assert_eq!((counts, found.n_idle_in_transaction), ((6, 1, 4), 1));
        assert_eq!(found.oldest_transaction.map(|(_, pid)| pid), Some(1));
    }

    #[test]
    fn waiters_in_a_circle_end() {
        let sessions = vec![session(1, "active", &[2]), session(2, "active", &[1])];
        let sample = Sample { sessions, ..Sample::default() };
        assert_eq!(resumes(&sample, 1).at_once.len(), 1);
        assert!(blockers(&sample).is_empty());
    }
}
