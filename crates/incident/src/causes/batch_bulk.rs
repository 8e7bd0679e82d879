//! A bulk statement holds row locks while it works through a table.

use super::Cause;
use crate::facts::is_dml;
use crate::forest::{QUEUE_S, Root};
use crate::roots::{active_root, holds_rows};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "batch_bulk",
    name: "Long bulk change of rows",
    necessary: "the session at the root of the lock queue is active, has changed rows, and others \
                wait for them",
    explains: &["lock_queue", "throughput_drop", "statement_slow", "mass_write", "sessions_hang"],
    actions: &["cancel_blocker"],
    prevention: &[
        "Change rows in batches with a commit after each; `pgward apply` refuses undeclared bulk changes",
        "Give the batch role a statement_timeout",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    // A call shows no change of rows; the id of its transaction does.
    let writes = |s: &SessionSample| is_dml(&s.query) || s.xid.is_some();
    let is_it = |root: &Root<'_>, s: &SessionSample| {
        writes(s) && s.runs_s(root.at) >= QUEUE_S && holds_rows(root)
    };
    active_root(case, "changes rows", is_it, 0.8, CAUSE.actions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roots::tests::check_active;
    use crate::testing::{case, healthy, sample, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        check_active(judge, "UPDATE orders SET a = 1", "SELECT 1");
    }

    /// Behind a root with that query, a transaction id or none, somebody waits for that.
    fn verdict(query: &str, xid: Option<u64>, kind: &str) -> Verdict {
        let mut samples = healthy(30);
        let mut last = sample(33, 2900);
        let (mut root, mut waiter) = (session(1, "active", &[]), session(2, "active", &[1]));
        (root.query, root.xid) = (query.to_owned(), xid);
        waiter.waits_for = Some(WaitedLock {
            kind: kind.to_owned(),
            mode: "ShareLock".to_owned(),
            relation: None,
            since: None,
        });
        last.sessions = vec![root, waiter];
        samples.push(last);
        judge(&case(samples, 30))
    }

    #[test]
    fn a_call_that_has_written_is_seen_and_a_table_held_is_another_cause() {
        assert!(verdict("SELECT purge()", Some(7), "transactionid").likely().is_some());
        assert!(verdict("SELECT purge()", None, "transactionid").likely().is_none());
        assert!(verdict("UPDATE depot SET a = 1", Some(7), "relation").likely().is_none());
    }
}
