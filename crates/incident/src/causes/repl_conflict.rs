//! Replay on a standby cancels the queries that stand in its way.

use super::Cause;
use crate::counted::log_lines;
use crate::facts::{cut, sampled};
use crate::forecast::newest;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "repl_conflict",
    name: "Recovery conflict cancels queries of a standby",
    necessary: "queries end with 'conflict with recovery', on a standby",
    explains: &["error_burst"],
    actions: &[],
    prevention: &[
        "Raise max_standby_streaming_delay where reports run, or give them a standby of their own",
        "hot_standby_feedback instead costs the primary its vacuum",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let in_recovery =
        newest(case.window.recent(), |s| s.replication.as_ref().map(|r| r.in_recovery));
    let conflicts = |samples: &[Sample]| {
        let counts: Vec<i64> =
            samples.iter().filter_map(|s| Some(s.replication.as_ref()?.conflicts)).collect();
        counts.last().zip(counts.first()).map_or(0, |(b, a)| b - a) as f64
    };
    if in_recovery == Some(false) {
        let claim = "queries cancelled by recovery; this server is a primary and replays nothing";
        let source = sampled("replication: pg_is_in_recovery()");
        let n = conflicts(case.window.recent());
        let evidence = Evidence::measured(claim, n, "queries", source);
        return Verdict::ruled_out(evidence.against(conflicts(case.window.baseline())));
    }
    let cancelled = |e: &LogEntry| e.message.contains("due to conflict with recovery");
    let what = "queries cancelled by a conflict with recovery (40001)";
    log_lines(case, what, cancelled, 0.9, 1, |e, n| {
        let why = if e.detail.is_empty() { &e.message } else { &e.detail };
        format!("replay has cancelled {n} queries: {}", cut(why, 160))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let message = "canceling statement due to conflict with recovery";
        crate::counted::tests::check_log(judge, "ERROR", "40001", message, 1);
    }

    #[test]
    fn a_primary_replays_nothing() {
        let mut samples = healthy(40);
        samples.last_mut().unwrap().replication = Some(Replication::default());
        assert!(matches!(judge(&case(samples, 30)), Verdict::RuledOut { .. }));
    }
}
