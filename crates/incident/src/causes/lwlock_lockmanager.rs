//! Too many relations per query for the fast path of locks.

use super::Cause;
use crate::waits::{Waits, waits};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lwlock_lockmanager",
    name: "LWLock:LockManager (too many relations per query)",
    necessary: "sessions at work wait for the lock manager",
    explains: &["statement_slow", "throughput_drop", "sessions_hang"],
    actions: &[],
    prevention: &[
        "Prune partitions in the query, and prepare it",
        "Drop indexes that no statement uses: each is one more lock of every query",
    ],
    judge,
};

const WAITS: Waits = Waits {
    lwlocks: &["LockManager", "lock_manager"],
    others: &[],
    what: "the lock manager (LWLock:LockManager)",
};

fn judge(case: &Case) -> Verdict {
    waits(case, &WAITS, 0.75)
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::waits::tests::check_waits(super::judge, "LWLock", "LockManager");
    }
}
