//! The server starts, stops or recovers.

use super::Cause;
use crate::counted::log_lines;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "srv_starting",
    name: "Server down, starting or in a crash loop",
    necessary: "connections are refused with 57P03, or the server does not answer at all",
    explains: &["server_unreachable"],
    actions: &[],
    prevention: &["Bound recovery time: checkpoint_timeout and max_wal_size by the time allowed"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let unreachable = case.symptoms.iter().find(|s| s.detector == "server_unreachable");
    if let Some(symptom) = unreachable
        && let Some(evidence) = symptom.evidence().first()
    {
        return Verdict::Likely(Likely::new(0.7, symptom.title.clone(), evidence.clone()));
    }
    let starting = |e: &LogEntry| e.sqlstate == "57P03";
    log_lines(
        case,
        "connections refused because the server starts or stops (57P03)",
        starting,
        0.7,
        3,
        |e, n| format!("{n} connections were refused: {}", e.message),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        let message = "the database system is starting up";
        crate::counted::tests::check_log(super::judge, "FATAL", "57P03", message, 3);
    }
}
