//! Many short transactions want the same row.

use super::Cause;
use crate::facts::{against_before, complete, cut, sampled};
use crate::forest;
use pgward_model::prelude::*;
use std::collections::BTreeSet;

pub(super) static CAUSE: Cause = Cause {
    id: "lock_hot_row",
    name: "Row-lock contention on hot rows",
    necessary: "the blocker changes from second to second",
    explains: &["lock_queue", "throughput_drop", "statement_slow"],
    actions: &[],
    prevention: &["Spread the hot row: shard the counter, or take queue rows with SKIP LOCKED"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "sessions", "sessions were not seen") {
        return unknown;
    }
    let queues: Vec<(Timestamp, Pid, usize)> = case
        .window
        .recent()
        .iter()
        .filter_map(|s| forest::roots(s).into_iter().next().map(|r| (s.at, r.pid, r.waiters.len())))
        .collect();
    let pids: BTreeSet<Pid> = queues.iter().map(|q| q.1).collect();
    let most = pids.iter().map(|pid| queues.iter().filter(|q| q.1 == *pid).count()).max();
    // None of them was there in more than a third of the looks.
    let changing = pids.len() >= 3 && 3 * most.unwrap_or(0) <= queues.len();
    let evidence = |words: &str| {
        Evidence::measured(
            format!("{words} at the root of the queue in {} samples", queues.len()),
            pids.len() as f64,
            "different blockers",
            sampled("sessions: pg_blocking_pids"),
        )
        .at(case.window.now())
    };
    let evidence = |words: &str| {
        against_before(evidence(words), case, |samples| {
            let before: BTreeSet<Pid> =
                samples.iter().flat_map(forest::roots).map(|r| r.pid).collect();
            before.len() as f64
        })
    };
    if !changing && pids.len() >= 3 && 2 * most.unwrap_or(0) <= queues.len() {
        return Verdict::unknown(format!(
            "whether sessions take turns: {} different ones were at the root of the queue in {} \
             samples, one of them in {}",
            pids.len(),
            queues.len(),
            most.unwrap_or(0)
        ));
    }
    if !changing {
        let words = match pids.len() {
            0 | 1 => "one steady blocker, or none,",
            _ => "one blocker in half of the looks or more; different ones",
        };
        return Verdict::ruled_out(evidence(words));
    }
    let worst = forest::worst(case.window.recent());
    let waits = worst.iter().flat_map(|r| &r.waiters);
    let relation = waits.clone().find_map(|w| w.waits_for.as_ref()?.relation.clone());
    let statement = waits.clone().next().map(|w| format!("; they run: {}", cut(&w.query, 160)));
    let says = format!(
        "{} different sessions took turns at the head of the row-lock queue{}, {} behind it at once{}",
        pids.len(),
        relation.as_ref().map_or(String::new(), |r| format!(" on {r}")),
        waits.count(),
        statement.unwrap_or_default()
    );
    Verdict::Likely(Likely::new(0.7, says, evidence("different sessions")).on(relation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, sample, session};

    #[test]
    fn turns_are_a_hot_row_and_one_blocker_is_not() {
        for (changing, likely) in [(true, true), (false, false)] {
            let mut samples = healthy(30);
            for i in 0..5 {
                let mut s = sample(30 + i, 2900);
                let root = if changing { 10 + i as Pid } else { 10 };
                s.sessions = vec![session(root, "active", &[]), session(2, "active", &[root])];
                samples.push(s);
            }
            assert_eq!(judge(&case(samples, 30)).likely().is_some(), likely);
        }
        assert!(matches!(judge(&case(healthy(29), 30)), Verdict::Unknown { .. }));
    }
}
