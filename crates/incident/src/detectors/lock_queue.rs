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
           still waits at 2 s is a queue",
    detect,
};

/// Between `deadlock_timeout` (1 s) and the patience of a user (about 10 s).
const WAIT_S: f64 = 2.0;

fn detect(window: &Window) -> Vec<Symptom> {
    let Some(sample) = window.last() else { return Vec::new() };
    let usual =
        window.baseline().iter().map(|s| long_waiters(s).max().unwrap_or(0)).max().unwrap_or(0);
    forest::roots(sample)
        .iter()
        .filter(|root| waiting(root) >= 2 && waiting(root) > usual)
        .map(|root| symptom(window, root))
        .collect()
}

fn long_waiters(sample: &Sample) -> impl Iterator<Item = usize> {
    forest::roots(sample).into_iter().map(|r| waiting(&r)).collect::<Vec<_>>().into_iter()
}

fn waiting(root: &Root<'_>) -> usize {
    root.waiters.iter().filter(|w| forest::waited_s(w, root.at) >= WAIT_S).count()
}

fn symptom(window: &Window, root: &Root<'_>) -> Symptom {
    let since =
        root.waiters.iter().filter_map(|w| w.query_start).min().unwrap_or(root.at).min(root.at);
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
        format!("{} sessions wait behind pid {} on {what}", root.waiters.len(), root.pid),
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

    fn window(waited: i64) -> Window {
        let mut last = sample(30 + waited, 0);
        last.sessions = vec![
            session(1, "idle in transaction", &[]),
            session(2, "active", &[1]),
            session(3, "active", &[1]),
        ];
        for s in &mut last.sessions {
            s.query_start = Some(at(30));
        }
        Window { samples: vec![last], baseline_until: at(29), catalog: None }
    }

    #[test]
    fn speaks_after_two_seconds_and_not_before() {
        assert_eq!(detect(&window(1)), []);
        let found = detect(&window(2));
        assert_eq!(found.first().unwrap().since, at(30));
    }
}
