//! Everybody wants the same page or the same place in the WAL.

use super::{Cause, plan_missing_index};
use crate::facts::regressions;
use crate::waits::{Waits, waits};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lwlock_buffer_wal",
    name: "Buffer or WAL insert contention",
    necessary: "sessions at work wait for buffers or for the WAL",
    explains: &["statement_slow", "throughput_drop", "sessions_hang"],
    actions: &[],
    prevention: &[
        "Commit in batches rather than row by row",
        "Spread the right-most page: a key that does not rise, or partitions",
    ],
    judge,
};

const WAITS: Waits = Waits {
    lwlocks: &["WALInsert", "WALWrite", "BufferContent", "BufferMapping"],
    others: &["BufferIO"],
    what: "buffers or the WAL (LWLock:WALInsert, WALWrite, BufferContent, BufferMapping)",
};

fn judge(case: &Case) -> Verdict {
    let verdict = waits(case, &WAITS, 0.75);
    let Some(likely) = verdict.likely() else { return verdict };
    let pairs = regressions(&case.window);
    let Some((now, old)) = plan_missing_index::spoiled(&pairs) else { return verdict };
    let claim = format!(
        "{}; yet one statement reads many times the blocks per call, and the waits are its \
         consequence: {}",
        likely.says,
        plan_missing_index::costs(now, old)
    );
    match likely.evidence().first() {
        Some(waits) => Verdict::present_not_sufficient(Evidence { claim, ..waits.clone() }),
        None => verdict,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::waits::tests::check_waits(super::judge, "LWLock", "BufferContent");
    }
}
