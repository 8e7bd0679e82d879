//! The server starts, stops or recovers.

use super::Cause;
use crate::counted::log_lines;
use crate::facts::sampled;
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
    if let Some(answers) = answers(case) {
        return answers;
    }
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

/// A server that shows its sessions in every second is up; who cannot reach it has another
/// trouble.
fn answers(case: &Case) -> Option<Verdict> {
    let recent = case.window.recent();
    let is_down = |e: &LogEntry| e.sqlstate == "57P03";
    if !Window::complete(recent, "sessions") || recent.iter().flat_map(|s| &s.log).any(is_down) {
        return None;
    }
    let failing = recent.iter().filter(|s| s.probe.is_some_and(|p| p.failed > 0)).count();
    (failing > 0).then(|| {
        Verdict::ruled_out(
            Evidence::measured(
                format!(
                    "samples in which the server did not show its sessions, while probes failed in \
                     {failing} of {}",
                    recent.len()
                ),
                0.0,
                "samples",
                sampled("sessions: pg_stat_activity"),
            )
            .against(0.0)
            .at(case.window.now()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy};

    #[test]
    fn a_server_that_shows_its_sessions_is_up_though_probes_fail() {
        let mut samples = healthy(40);
        for s in samples.iter_mut().skip(30) {
            s.probe.as_mut().unwrap().failed = 1;
        }
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        let gap = Gap { sampler: "sessions".into(), why: "connection refused".into() };
        samples.last_mut().unwrap().gaps.push(gap);
        assert_eq!(answers(&case(samples, 30)), None);
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        let message = "the database system is starting up";
        crate::counted::tests::check_log(super::judge, "FATAL", "57P03", message, 3);
    }
}
