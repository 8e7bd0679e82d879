//! The table of locks in shared memory is full.

use super::Cause;
use crate::counted::log_lines;
use crate::facts::cut;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "mem_lock_table",
    name: "Lock table exhausted",
    necessary: "statements fail with 53200 for want of shared memory",
    explains: &["error_burst"],
    actions: &[],
    prevention: &[
        "Split transactions that touch thousands of relations",
        "Raise max_locks_per_transaction with the next restart",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    // `out of memory` has the same SQLSTATE, and another cause.
    let full = |e: &LogEntry| e.sqlstate == "53200" && e.message.contains("out of shared memory");
    log_lines(case, "statements out of shared memory (53200)", full, 0.9, 1, |e, n| {
        format!(
            "the lock table is full: {n} statements failed, the first of role {}: {}",
            e.role,
            cut(&e.statement, 160)
        )
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        let message = "out of shared memory";
        crate::counted::tests::check_log(super::judge, "ERROR", "53200", message, 1);
    }
}
