//! DDL or maintenance holds a strong lock while it works.

use super::Cause;
use crate::facts::{complete, is_ddl, sampled};
use crate::forest;
use crate::roots::{active_root, behind, blocks_writes};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lock_ddl_held",
    name: "DDL or maintenance holds a strong lock too long",
    necessary: "the session at the root of the lock queue is active, and runs DDL or holds a table \
                in a mode that makes writers wait",
    explains: &["lock_queue", "throughput_drop", "statement_slow", "connections_near_limit"],
    actions: &["cancel_blocker", "keep_empty_pages"],
    prevention: &[
        "Build indexes CONCURRENTLY and add constraints NOT VALID, then VALIDATE",
        "Rehearse the change on a clone with `pgward check --rehearse` and read how long it holds its lock",
        "Set vacuum_truncate off for a busy table that shrinks, and vacuum it in a quiet hour",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "sessions", "sessions were not seen") {
        return unknown;
    }
    if let Some(likely) = truncation(case) {
        return Verdict::Likely(likely);
    }
    let does = "runs DDL or holds a table locked";
    active_root(case, does, |_, s| is_ddl(&s.query) || blocks_writes(s), 0.9, &["cancel_blocker"])
}

/// Samples in which somebody waits for it that make a stall which comes again.
const STALLS_MIN: usize = 3;

/// Autovacuum cuts off the empty pages at the end of a table: the one thing for which it holds
/// ACCESS EXCLUSIVE, for moments that come again while somebody waits.
fn truncation(case: &Case) -> Option<Likely> {
    let recent = case.window.recent();
    let stalls: Vec<(forest::Root<'_>, &SessionSample, &Relation)> = recent
        .iter()
        .flat_map(forest::roots)
        .filter_map(|root| root.session.map(|session| (root, session)))
        .filter(|(_, session)| session.application == "autovacuum worker")
        .filter_map(|(root, session)| Some((root, session, held_exclusively(session)?)))
        .collect();
    let waits_long = |(root, ..): &(forest::Root<'_>, _, _)| {
        root.waiters.iter().any(|w| forest::waited_s(w, root.at) >= forest::QUEUE_S)
    };
    let is_long = stalls.iter().any(waits_long);
    if !is_long && stalls.len() < STALLS_MIN {
        return None;
    }
    let (root, session, table) = stalls.iter().max_by_key(|(root, ..)| root.waiters.len())?;
    let says = format!(
        "autovacuum (pid {}) cuts off the empty pages at the end of {table} and holds it in \
         ACCESS EXCLUSIVE meanwhile: {} sessions wait behind it, and somebody did in {} of {} \
         samples since the onset",
        session.pid,
        root.waiters.len(),
        stalls.len(),
        recent.len()
    );
    let source = sampled("sessions: pg_blocking_pids, pg_locks, pg_stat_activity");
    let claim = format!("samples in which autovacuum kept others from {table}");
    let often = Evidence::measured(claim, stalls.len() as f64, "samples", source).at(root.at);
    let score = if is_long { 0.92 } else { 0.8 };
    Some(
        Likely::new(score, says, behind(case, root, "cuts off empty pages"))
            .and(often)
            .by([session.pid])
            .on([(*table).clone()])
            .act(&["keep_empty_pages"]),
    )
}

fn held_exclusively(session: &SessionSample) -> Option<&Relation> {
    let is_exclusive =
        |l: &&HeldLock| LockMode::from_pg_name(&l.mode) == Some(LockMode::AccessExclusive);
    session.holds.iter().find(is_exclusive).map(|l| &l.relation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roots::tests::check_active;
    use crate::testing::{at, case, healthy, sample, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        check_active(judge, "CREATE INDEX i ON orders (a)", "SELECT 1");
    }

    /// Autovacuum at the root, which holds `orders` so, in the last `n` samples.
    fn vacuumed(mode: &str, waited_s: i64, n: i64) -> Verdict {
        let mut samples = healthy(30);
        for at_s in 30..30 + n {
            let mut now = sample(at_s, 2900);
            let mut worker = session(9, "active", &[]);
            worker.application = "autovacuum worker".to_owned();
            worker.query = "autovacuum: VACUUM public.orders".to_owned();
            let relation = Relation::new("public", "orders");
            worker.holds = vec![HeldLock { mode: mode.to_owned(), relation }];
            let mut waiter = session(2, "active", &[9]);
            waiter.query_start = Some(at(at_s - waited_s));
            now.sessions = vec![worker, waiter];
            samples.push(now);
        }
        judge(&case(samples, 29))
    }

    #[test]
    fn autovacuum_that_cuts_off_pages_is_told_with_its_own_remedy() {
        for (waited_s, n) in [(3, 1), (0, 3)] {
            let verdict = vacuumed("AccessExclusiveLock", waited_s, n);
            let likely = verdict.likely().unwrap();
            assert!(likely.says.contains("orders"), "{}", likely.says);
            assert_eq!(
                (&likely.pids[..], &likely.actions[..]),
                (&[9][..], &["keep_empty_pages".to_owned()][..])
            );
        }
        assert!(vacuumed("AccessExclusiveLock", 0, 2).likely().is_none());
        assert!(vacuumed("ShareUpdateExclusiveLock", 3, 3).likely().is_none());
    }

    #[test]
    fn a_table_held_under_another_statement_is_seen_by_its_lock() {
        let with = |mode: &str| {
            let mut samples = healthy(30);
            let mut last = sample(33, 2900);
            let mut root = session(1, "active", &[]);
            root.query = "BEGIN; LOCK TABLE orders; SELECT pg_sleep(60)".to_owned();
            let relation = Relation::new("public", "orders");
            root.holds = vec![HeldLock { mode: mode.to_owned(), relation }];
            last.sessions = vec![root, session(2, "active", &[1])];
            samples.push(last);
            judge(&case(samples, 30))
        };
        assert_eq!(with("AccessExclusiveLock").likely().unwrap().pids, [1]);
        assert!(matches!(with("RowExclusiveLock"), Verdict::RuledOut { .. }));
    }

    #[test]
    fn clients_that_give_up_after_a_second_wait_all_the_same() {
        let mut samples = healthy(30);
        for s in 30..35 {
            let mut now = sample(s, 2900);
            let mut root = session(1, "active", &[]);
            root.query = "SELECT pg_sleep(9)".to_owned();
            let relation = Relation::new("public", "orders");
            root.holds = vec![HeldLock { mode: "AccessExclusiveLock".to_owned(), relation }];
            let mut waiter = session(2, "active", &[1]);
            waiter.query_start = Some(at(s));
            now.sessions = vec![root, waiter];
            samples.push(now);
        }
        assert_eq!(judge(&case(samples, 30)).likely().unwrap().pids, [1]);
    }
}
