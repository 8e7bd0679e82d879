//! Many transactions lock the same rows together.

use super::Cause;
use crate::slru::{Pages, oldest_writer, or_lookups};
use crate::waits::{Waits, waits};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lwlock_multixact",
    name: "MultiXact SLRU contention or member exhaustion",
    necessary: "sessions at work look up or wait for the pages of multixacts",
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

const PAGES: Pages = Pages { of: |slru| slru.multixacts, what: "pages of multixacts" };

fn judge(case: &Case) -> Verdict {
    match or_lookups(case, waits(case, &WAITS, 0.75), &PAGES, 0.65) {
        // Who is looked up stays so when that transaction ends: until a vacuum no signal helps.
        Verdict::Likely(likely) => Verdict::Likely(oldest_writer(case, likely, CAUSE.actions)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::waits::tests::check_waits(super::judge, "LWLock", "MultiXactMemberSLRU");
        crate::slru::tests::check_lookups(super::judge, |slru| &mut slru.multixacts);
    }
}
