//! A bulk statement holds row locks while it works through a table.

use super::Cause;
use crate::facts::is_dml;
use crate::forest;
use crate::roots::active_root;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "batch_bulk",
    name: "Long bulk change of rows",
    necessary: "the session at the root of the lock queue is active and changes rows",
    explains: &["lock_queue", "throughput_drop", "statement_slow", "mass_write", "sessions_hang"],
    actions: &["cancel_blocker"],
    prevention: &[
        "Change rows in batches with a commit after each; `pgward apply` refuses undeclared bulk changes",
        "Give the batch role a statement_timeout",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let long = |s: &SessionSample, at: Timestamp| {
        is_dml(&s.query)
            && s.query_start.is_some_and(|start| seconds_between(start, at) >= forest::QUEUE_S)
    };
    active_root(case, "changes rows", long, 0.8, CAUSE.actions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roots::tests::check_active;

    #[test]
    fn likely_ruled_out_and_unknown() {
        check_active(judge, "UPDATE orders SET a = 1", "SELECT 1");
    }
}
