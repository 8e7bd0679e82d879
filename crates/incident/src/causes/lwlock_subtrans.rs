//! Savepoints overflow what a snapshot can hold.

use super::Cause;
use crate::waits::{Waits, waits};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lwlock_subtrans",
    name: "Subtransaction SLRU contention",
    necessary: "sessions at work wait for the pages of subtransactions",
    explains: &["statement_slow", "throughput_drop"],
    actions: &[],
    prevention: &[
        "Take no savepoint per row: nested transactions of the ORM, EXCEPTION blocks in loops",
        "Bound long transactions with idle_in_transaction_session_timeout and transaction_timeout",
    ],
    judge,
};

const WAITS: Waits = Waits {
    lwlocks: &["SubtransSLRU", "SubtransBuffer", "SubtransControlLock"],
    others: &[],
    what: "the pages of subtransactions (LWLock:SubtransSLRU)",
};

fn judge(case: &Case) -> Verdict {
    waits(case, &WAITS, 0.75)
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::waits::tests::check_waits(super::judge, "LWLock", "SubtransSLRU");
    }
}
