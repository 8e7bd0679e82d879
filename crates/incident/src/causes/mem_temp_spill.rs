//! Sorts and hashes spill to disk.

use super::Cause;
use crate::counted::counter;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "mem_temp_spill",
    name: "Temporary files on disk",
    necessary: "temporary bytes grow",
    explains: &["statement_slow"],
    actions: &[],
    prevention: &["Set work_mem for the role that spills, or temp_file_limit to bound it"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    // 64 MB: sixteen times the default work_mem; less is written faster than anyone notices.
    counter(case, "temporary bytes written", "bytes", |d| d.temp_bytes, 64 << 20, 0.5)
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::counted::tests::check_counter(super::judge, |d| d.temp_bytes = 1 << 30);
    }
}
