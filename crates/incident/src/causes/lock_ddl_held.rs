//! DDL or maintenance holds a strong lock while it works.

use super::Cause;
use crate::facts::is_ddl;
use crate::roots::active_root;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lock_ddl_held",
    name: "DDL or maintenance holds a strong lock too long",
    necessary: "the session at the root of the lock queue is active and runs DDL",
    explains: &["lock_queue", "throughput_drop", "statement_slow", "connections_near_limit"],
    actions: &["cancel_blocker"],
    prevention: &[
        "Build indexes CONCURRENTLY and add constraints NOT VALID, then VALIDATE",
        "Rehearse the change on a clone with `pgward check --rehearse` and read how long it holds its lock",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    active_root(case, "runs DDL", |s, _| is_ddl(&s.query), 0.9, CAUSE.actions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roots::tests::check_active;

    #[test]
    fn likely_ruled_out_and_unknown() {
        check_active(judge, "CREATE INDEX i ON orders (a)", "SELECT 1");
    }
}
