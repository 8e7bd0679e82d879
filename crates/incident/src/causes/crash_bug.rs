//! A backend crashed and took the others with it.

use super::Cause;
use crate::counted::log_lines;
use crate::facts::cut;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "crash_bug",
    name: "Backend crash",
    necessary: "a server process was terminated by a signal of its own making (not 9 or 15)",
    explains: &["server_unreachable", "error_burst", "throughput_drop"],
    actions: &[],
    prevention: &["Update to the newest minor release, on a replica first"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    // 9 and 15 are sent from outside.
    let sent = ["signal 9", "signal 15"].map(|s| format!("was terminated by {s}"));
    let crash = |e: &LogEntry| {
        e.message.contains("was terminated by signal")
            && !sent.iter().any(|s| e.message.contains(s.as_str()))
    };
    log_lines(case, "server processes terminated by a signal", crash, 0.9, 1, |e, _| {
        match e.detail.as_str() {
            "" => e.message.clone(),
            detail => format!("{}. {}", e.message, cut(detail, 200)),
        }
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        let message = "server process (PID 7) was terminated by signal 11: Segmentation fault";
        crate::counted::tests::check_log(super::judge, "LOG", "00000", message, 1);
    }
}
