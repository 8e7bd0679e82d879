//! Transactions deadlock again and again.

use super::Cause;
use crate::counted::counter;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lock_deadlock",
    name: "Deadlock storm",
    necessary: "the deadlock counter grows",
    explains: &["error_burst", "lock_queue"],
    actions: &[],
    prevention: &["Lock rows in one global order (ORDER BY the key in bulk changes)"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    counter(case, "deadlocks", "deadlocks", |d| d.deadlocks, 3, 0.7)
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::counted::tests::check_counter(super::judge, |d| d.deadlocks = 5);
    }
}
