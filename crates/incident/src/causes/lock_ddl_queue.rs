//! A DDL statement waits for its lock, and everyone queues behind the waiting request.

use super::Cause;
use crate::facts::{against_before, complete, cut, most_waiters, sampled, who};
use crate::forest;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lock_ddl_queue",
    name: "Lock pile-up behind a waiting DDL statement",
    necessary: "a request for a strong table lock is not granted, and others wait for it",
    explains: &["lock_queue", "throughput_drop", "statement_slow", "connections_near_limit"],
    actions: &["cancel_waiter"],
    prevention: &[
        "Run every DDL statement with lock_timeout and retries; `pgward apply` does",
        "Refuse DDL while a transaction older than a few seconds holds a lock on its table",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "sessions", "sessions were not seen") {
        return unknown;
    }
    let mut worst: Option<(usize, &Sample, &SessionSample)> = None;
    for sample in case.window.recent() {
        for waiter in sample.sessions.iter().filter(|s| wants_strong(s)) {
            let behind: Vec<&SessionSample> =
                sample.sessions.iter().filter(|s| s.blocked_by.contains(&waiter.pid)).collect();
            let waits = |s: &SessionSample| forest::waited_s(s, sample.at) >= forest::QUEUE_S;
            // Those behind it may give up and ask again; the request itself goes on waiting.
            let long = behind.iter().any(|s| waits(s)) || (behind.len() >= 2 && waits(waiter));
            let behind = behind.len();
            if long && worst.is_none_or(|(n, ..)| behind > n) {
                worst = Some((behind, sample, waiter));
            }
        }
    }
    let Some((n, sample, waiter)) = worst else {
        let evidence = Evidence::measured(
            "requests for a strong table lock that wait with others behind them",
            0.0,
            "requests",
            sampled("sessions: pg_locks where not granted"),
        )
        .at(case.window.now());
        return Verdict::ruled_out(against_before(evidence, case, strong_requests));
    };
    let root =
        forest::roots(sample).into_iter().find(|r| r.waiters.iter().any(|w| w.pid == waiter.pid));
    // Who it waits for may wait for another in turn.
    let direct = sample.sessions.iter().find(|s| {
        waiter.blocked_by.contains(&s.pid)
            && !s.blocked_by.is_empty()
            && root.as_ref().is_some_and(|r| r.pid != s.pid)
    });
    let between = direct.map_or(String::new(), |s| {
        format!(", itself behind {}, which runs {} and waits", who(s), cut(&s.query, 80))
    });
    let holder = root
        .and_then(|r| r.session)
        .map(|s| {
            let behind = if direct.is_some() { " for" } else { ", itself behind" };
            format!("{behind} {} ({})", who(s), s.state)
        })
        .unwrap_or_default();
    let relation = waiter.waits_for.as_ref().and_then(|w| w.relation.clone());
    let says = format!(
        "{} waits for {}{between}{holder}; {n} sessions queue behind its request. It runs: {}",
        who(waiter),
        waiter.waits_for.as_ref().map(forest::describe_wait).unwrap_or_default(),
        cut(&waiter.query, 200),
    );
    Verdict::Likely(
        Likely::new(
            0.95,
            says,
            against_before(
                Evidence::measured(
                    format!("sessions queue behind the waiting request of pid {}", waiter.pid),
                    n as f64,
                    "sessions",
                    sampled("sessions: pg_blocking_pids"),
                )
                .at(sample.at),
                case,
                most_waiters,
            ),
        )
        .by([waiter.pid])
        .on(relation)
        .act(CAUSE.actions),
    )
}

/// Most requests for a strong table lock that waited in one of these samples.
fn strong_requests(samples: &[Sample]) -> f64 {
    let count = |s: &Sample| s.sessions.iter().filter(|x| wants_strong(x)).count();
    samples.iter().map(count).max().unwrap_or(0) as f64
}

fn wants_strong(session: &SessionSample) -> bool {
    session.waits_for.as_ref().is_some_and(|lock| {
        lock.kind == "relation"
            && LockMode::from_pg_name(&lock.mode).is_some_and(|m| m >= LockMode::Share)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, sample, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(30);
        let mut last = sample(33, 2900);
        let mut ddl = session(2, "active", &[1]);
        ddl.waits_for = Some(WaitedLock {
            kind: "relation".into(),
            mode: "AccessExclusiveLock".into(),
            relation: Some(Relation::new("public", "orders")),
            since: None,
        });
        last.sessions =
            vec![session(1, "idle in transaction", &[]), ddl, session(3, "active", &[2])];
        samples.push(last);
        assert_eq!(judge(&case(samples.clone(), 30)).likely().unwrap().pids, [2]);

        // Another stands between the request and who holds all up.
        let mut chain = samples.clone();
        let sessions = &mut chain.last_mut().unwrap().sessions;
        let mut build = session(4, "active", &[1]);
        build.query = "CREATE INDEX CONCURRENTLY i ON orders (id)".to_owned();
        sessions.get_mut(1).unwrap().blocked_by = vec![4];
        sessions.push(build);
        let says = judge(&case(chain, 30)).likely().unwrap().says.clone();
        assert!(says.contains("itself behind pid 4 of"), "{says}");
        assert!(says.contains("runs CREATE INDEX CONCURRENTLY"), "{says}");
        assert!(says.contains("and waits for pid 1 of"), "{says}");

        samples.last_mut().unwrap().sessions.pop();
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        samples.last_mut().unwrap().gaps.push(Gap { sampler: "sessions".into(), why: "x".into() });
        assert!(matches!(judge(&case(samples, 30)), Verdict::Unknown { .. }));
    }
}
