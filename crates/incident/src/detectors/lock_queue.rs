//! Sessions queue behind a lock.

use super::Detector;
use crate::facts::sampled;
use crate::forest::{self, Root};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "lock_queue",
    title: "Sessions wait behind a lock",
    rule: "at least two sessions have waited 2 s behind one blocker, and more than ever in the \
           baseline: users give up after about 10 s, and a deadlock is found after 1 s, so what \
           still waits at 2 s is a queue. Where the server does not say when a wait began, the \
           session must wait in two samples in a row. Clients that give up sooner and ask again \
           count where one transaction has kept somebody waiting for 2 s without a break",
    detect,
};

fn detect(window: &Window) -> Vec<Symptom> {
    let Some(sample) = window.last() else { return Vec::new() };
    let before = window.samples.split_last().map_or(&[][..], |(_, before)| before);
    let found: Vec<(usize, Root<'_>)> = forest::roots(sample)
        .into_iter()
        .map(|root| (waiting(&root, before), root))
        .filter(|(n_waiting, _)| *n_waiting >= 2)
        .collect();
    if found.is_empty() {
        return Vec::new(); // the usual case is not worth the baseline's forests
    }
    let baseline = window.baseline();
    let longest = |(i, s): (usize, &Sample)| {
        let before = baseline.get(..i).unwrap_or(&[]);
        forest::roots(s).iter().map(|root| waiting(root, before)).max().unwrap_or(0)
    };
    let usual = baseline.iter().enumerate().map(longest).max().unwrap_or(0);
    found
        .iter()
        .filter(|(n_waiting, _)| *n_waiting > usual)
        .map(|(_, root)| symptom(window, root))
        .collect()
}

fn waiting(root: &Root<'_>, before: &[Sample]) -> usize {
    let n = root.waiters.iter().filter(|w| waits_long(w, root.at, before.last())).count();
    n.max(forest::kept_waiting(root, before))
}

/// The age of a wait speaks for itself; the age of a statement only says that it is slow, and
/// needs the sample before to have seen it wait too.
fn waits_long(waiter: &SessionSample, at: Timestamp, before: Option<&Sample>) -> bool {
    if forest::waited_s(waiter, at) < forest::QUEUE_S {
        return false;
    }
    let is_known = waiter.waits_for.as_ref().is_some_and(|wait| wait.since.is_some());
    let waited_then = |s: &SessionSample| {
        (s.pid, s.backend_start, s.query_start)
            == (waiter.pid, waiter.backend_start, waiter.query_start)
            && !s.blocked_by.is_empty()
    };
    is_known || before.is_some_and(|sample| sample.sessions.iter().any(waited_then))
}

fn blocker(root: &Root<'_>) -> String {
    match (root.pid, root.session) {
        (0, Some(prepared)) => format!("prepared transaction '{}'", prepared.application),
        (0, None) => "a prepared transaction".to_owned(),
        (pid, _) => format!("pid {pid}"),
    }
}

fn symptom(window: &Window, root: &Root<'_>) -> Symptom {
    let since = root.waiters.iter().filter_map(|w| forest::waits_since(w)).min().unwrap_or(root.at);
    let since = since.min(root.at);
    let relations: Vec<Relation> = root
        .waiters
        .iter()
        .filter_map(|w| w.waits_for.as_ref().and_then(|l| l.relation.clone()))
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    let what = relations.first().map_or("a lock".to_owned(), |r| r.to_string());
    let n_clients = window.last().map_or(0, |s| s.sessions.len());
    Symptom::new(
        DETECTOR.id,
        since,
        root.at,
        Weight::Harm,
        format!("{} sessions wait behind {} on {what}", root.waiters.len(), blocker(root)),
        Evidence::measured(
            format!("{} of {n_clients} client sessions wait for a lock", root.waiters.len()),
            root.waiters.len() as f64,
            "sessions",
            sampled("sessions: pg_stat_activity, pg_blocking_pids"),
        )
        .against(0.0)
        .at(root.at),
    )
    .on(relations)
    .by([root.pid])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, sample, session};

    /// A blocker and two waiters whose statements began at second 0 and waits at second 30.
    fn waiting_at(seconds: i64, since: Option<Timestamp>) -> Sample {
        let mut now = sample(seconds, 0);
        now.sessions = vec![
            session(1, "idle in transaction", &[]),
            session(2, "active", &[1]),
            session(3, "active", &[1]),
        ];
        for waiter in now.sessions.iter_mut().skip(1) {
            waiter.waits_for = Some(WaitedLock {
                kind: "transactionid".to_owned(),
                mode: "ShareLock".to_owned(),
                relation: None,
                since,
            });
        }
        now
    }

    fn window(samples: Vec<Sample>) -> Window {
        Window { samples, baseline_until: at(29), catalog: None }
    }

    #[test]
    fn speaks_after_two_seconds_of_waiting_however_old_the_statement() {
        assert_eq!(detect(&window(vec![waiting_at(31, Some(at(30)))])), []);
        let found = detect(&window(vec![waiting_at(32, Some(at(30)))]));
        assert_eq!(found.first().unwrap().since, at(30));
    }

    #[test]
    fn a_wait_without_a_beginning_must_be_seen_twice() {
        assert_eq!(detect(&window(vec![waiting_at(31, None)])), []);
        assert_eq!(detect(&window(vec![sample(30, 0), waiting_at(31, None)])), []);
        assert_eq!(detect(&window(vec![waiting_at(30, None), waiting_at(31, None)])).len(), 1);
    }

    #[test]
    fn clients_that_give_up_and_ask_again_wait_for_the_same_transaction() {
        let behind = |begun: fn(i64) -> Timestamp, seconds: i64| {
            let mut samples: Vec<Sample> =
                (30..=30 + seconds).map(|s| waiting_at(s, Some(at(s)))).collect();
            for (s, sample) in (30..).zip(&mut samples) {
                for blocker in sample.sessions.iter_mut().take(1) {
                    blocker.xact_start = Some(begun(s));
                }
            }
            detect(&window(samples)).len()
        };
        assert_eq!(behind(|_| at(29), 2), 1);
        assert_eq!(behind(|_| at(29), 1), 0);
        assert_eq!(behind(at, 9), 0, "each of its transactions ends: they take turns");
    }
}
