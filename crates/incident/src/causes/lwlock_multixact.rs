//! Many transactions lock the same rows together.

use super::Cause;
use crate::waits::{Waits, waits};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lwlock_multixact",
    name: "MultiXact SLRU contention or member exhaustion",
    necessary: "sessions at work wait for the pages of multixacts",
    explains: &["statement_slow", "throughput_drop", "error_burst", "sessions_hang"],
    actions: &[],
    prevention: &[
        "Batch by parent row, and avoid SELECT FOR SHARE",
        "Freeze multixacts before they are many: watch mxid_age",
    ],
    judge,
};

const WAITS: Waits = Waits {
    lwlocks: &[
        "MultiXactOffsetBuffer",
        "MultiXactOffsetSLRU",
        "MultiXactMemberBuffer",
        "MultiXactMemberSLRU",
        "MultiXactGen",
    ],
    others: &[],
    what: "the pages of multixacts (LWLock:MultiXact…)",
};

fn judge(case: &Case) -> Verdict {
    waits(case, &WAITS, 0.75)
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::waits::tests::check_waits(super::judge, "LWLock", "MultiXactMemberSLRU");
    }
}
