//! Storage or memory hardware fails.

use super::Cause;
use crate::counted::log_lines;
use crate::facts::{is_damage, sampled};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "io_hardware",
    name: "Storage or memory hardware fails",
    necessary: "reads or writes fail (58030, PANIC), pages fail their checksum, or data are damaged on \
                pages that pass it",
    explains: &["error_burst", "damaged_block", "server_unreachable"],
    actions: &[],
    prevention: &["Watch kernel and storage logs of the host beside the server's"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let io = |e: &LogEntry| {
        e.sqlstate == "58030"
            || (e.severity == "PANIC" && e.sqlstate.starts_with("58"))
            || e.message.contains("Input/output error")
    };
    let verdict =
        log_lines(case, "I/O errors in the server log (58030, PANIC)", io, 0.8, 1, |e, n| {
            format!("{n} reads or writes failed: {}", e.message)
        });
    let Verdict::RuledOut { evidence, .. } = verdict else { return verdict };
    let failures = |s: &Sample| s.database.and_then(|d| d.checksum_failures);
    let before = case.window.baseline().iter().filter_map(failures).next_back();
    let after = case.window.recent().iter().filter_map(failures).next_back();
    match (before, after) {
        (Some(before), Some(after)) => {
            let measured = Evidence::measured(
                "pages that failed their checksum, and no I/O error in the log",
                (after - before) as f64,
                "pages",
                sampled("database: pg_stat_database.checksum_failures"),
            )
            .against(0.0)
            .at(case.window.now());
            if after == before && case.window.recent().iter().any(|s| s.log.iter().any(is_damage)) {
                Verdict::unknown(
                    "data are damaged on pages that pass their checksum; a write that the storage \
                     lost leaves no error, and a page of zeros has no checksum",
                )
            } else if after > before {
                Verdict::unknown(
                    "pages failed their checksum; whether hardware did it is in the host's kernel log, which is not read",
                )
            } else {
                Verdict::ruled_out(measured)
            }
        }
        _ if case.checksums == Some(false) => {
            Verdict::unknown("page checksums are off, so silent damage would not show")
        }
        _ => Verdict::ruled_out(evidence),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        let message = "could not read block 7: Input/output error";
        crate::counted::tests::check_log(super::judge, "ERROR", "58030", message, 1);
    }
}
