//! Clients that fail try again at once, and all of them do.

use super::Cause;
use crate::facts::{
    attempts, complete, is_login_failure, is_statement_error, no_baseline, sampled,
};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "load_retry_storm",
    name: "Retry storm",
    necessary: "statements failed before more of them came",
    explains: &[
        "statement_slow",
        "throughput_drop",
        "connections_near_limit",
        "error_burst",
        "sessions_hang",
    ],
    actions: &[],
    prevention: &["Retry with back-off, jitter and a budget; break the circuit when it is spent"],
    judge,
};

/// As for a traffic spike: half as much again is still a busy minute.
const RISEN: f64 = 1.5;
/// Seconds over which a rate is told.
const OVER_S: usize = 3;

fn judge(case: &Case) -> Verdict {
    for sampler in ["log", "database"] {
        if let Some(unknown) = complete(case, sampler, "errors and rates cannot be compared") {
            return unknown;
        }
    }
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    let (recent, baseline) = (case.window.recent(), case.window.baseline());
    let Some(usual) = delta(baseline).map(|d| d.xacts_per_s) else {
        return Verdict::unknown("no rate of transactions before the onset");
    };
    let rates: Vec<(Timestamp, f64)> = recent
        .windows(OVER_S + 1)
        .filter_map(|w| Some((w.first()?.at, delta(w)?.xacts_per_s)))
        .collect();
    let peak = rates.iter().map(|r| r.1).fold(0.0, f64::max);
    let rate = Evidence::measured(
        "transactions per second at the peak",
        peak,
        "transactions/s",
        sampled("database: pg_stat_database"),
    )
    .against(usual)
    .at(case.window.now());
    if let Some((sent, before)) = attempts(case)
        && sent < RISEN * before
    {
        let source = sampled("statements: pg_stat_statements; log: ERROR");
        let claim = "statements sent per second, those that failed among them";
        let evidence = Evidence::measured(claim, sent, "statements/s", source);
        return Verdict::ruled_out(evidence.against(before).at(case.window.now()));
    }
    let Some((rose_at, _)) = rates.iter().find(|r| r.1 >= RISEN * usual) else {
        return Verdict::ruled_out(rate);
    };
    let errors = |samples: &[Sample]| {
        let failed = |e: &&LogEntry| is_statement_error(e) || is_login_failure(e);
        samples.iter().flat_map(|s| &s.log).filter(failed).count() as f64
    };
    let usual_errors = errors(baseline) / (baseline.len() as f64).max(1.0);
    let (earlier, _) = recent.split_at(recent.partition_point(|s| s.at <= *rose_at));
    let before_rise = errors(earlier) / (earlier.len() as f64).max(1.0);
    let evidence = Evidence::measured(
        "failed statements per second before the calls rose",
        before_rise,
        "errors/s",
        Source::new(SourceKind::Log, "ERROR and FATAL lines by time"),
    )
    .against(usual_errors)
    .at(*rose_at);
    if before_rise < 1.0 || before_rise <= 3.0 * usual_errors {
        return Verdict::ruled_out(evidence);
    }
    let says = format!(
        "statements failed first ({} a second), then calls rose to {} transactions/s, {} before: \
         clients try again at once",
        human(before_rise),
        human(peak),
        human(usual)
    );
    Verdict::Likely(Likely::new(0.65, says, evidence).and(rate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, log, sample};

    /// The rate doubles from second 35 on; errors come from `errors_from` on.
    fn samples(errors_from: i64) -> Vec<Sample> {
        let mut samples: Vec<Sample> =
            (0..45).map(|s| sample(s, s * 100 + (s - 35).max(0) * 300)).collect();
        for (s, sample) in (0..).zip(&mut samples).filter(|(s, _)| *s >= errors_from) {
            sample.log = vec![log(s, "ERROR", "40001", "could not serialize access"); 5];
        }
        samples
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        assert!(judge(&case(samples(30), 30)).likely().is_some());
        assert!(matches!(judge(&case(samples(40), 30)), Verdict::RuledOut { .. }));
        assert!(matches!(judge(&case(healthy(45), 30)), Verdict::RuledOut { .. }));
        let mut blind = samples(30);
        blind.last_mut().unwrap().gaps.push(Gap { sampler: "log".into(), why: "x".into() });
        assert!(matches!(judge(&case(blind, 30)), Verdict::Unknown { .. }));
    }
}
