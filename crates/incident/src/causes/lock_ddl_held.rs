//! DDL or maintenance holds a strong lock while it works.

use super::Cause;
use crate::facts::is_ddl;
use crate::roots::active_root;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lock_ddl_held",
    name: "DDL or maintenance holds a strong lock too long",
    necessary: "the session at the root of the lock queue is active, and runs DDL or holds a table \
                in a mode that makes writers wait",
    explains: &["lock_queue", "throughput_drop", "statement_slow", "connections_near_limit"],
    actions: &["cancel_blocker"],
    prevention: &[
        "Build indexes CONCURRENTLY and add constraints NOT VALID, then VALIDATE",
        "Rehearse the change on a clone with `pgward check --rehearse` and read how long it holds its lock",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let does = "runs DDL or holds a table locked";
    active_root(case, does, |s, _| is_ddl(&s.query) || holds_table(s), 0.9, CAUSE.actions)
}

/// Does it hold a table in a mode that makes writers wait? DDL hides in blocks, in functions and
/// behind a BEGIN sent together with it.
fn holds_table(session: &SessionSample) -> bool {
    let mode = |l: &HeldLock| LockMode::from_pg_name(&l.mode);
    session.holds.iter().filter_map(mode).any(LockMode::blocks_writes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roots::tests::check_active;
    use crate::testing::{case, healthy, sample, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        check_active(judge, "CREATE INDEX i ON orders (a)", "SELECT 1");
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
}
