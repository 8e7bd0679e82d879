//! Clients that fail try again at once, and all of them do.

use super::Cause;
use crate::facts::{
    at_work, attempts, complete, is_crowd, is_same_work, is_statement_error, no_baseline,
    regressions, sampled,
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
    let overrun = overrun(case);
    if let Some(Verdict::Likely(likely)) = overrun {
        return Verdict::Likely(likely);
    }
    // A crowd whose statements fail rules nothing out, whichever of the two came first.
    let ruled_out = |evidence| overrun.clone().unwrap_or_else(|| Verdict::ruled_out(evidence));
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
        return ruled_out(evidence.against(before).at(case.window.now()));
    }
    let Some((rose_at, _)) = rates.iter().find(|r| r.1 >= RISEN * usual) else {
        return ruled_out(rate);
    };
    let until = recent.partition_point(|s| s.at <= *rose_at);
    let (evidence, failed_first) = failures_first(case, until, "the calls rose");
    if !failed_first {
        return ruled_out(evidence);
    }
    let says = format!(
        "statements failed first ({} a second), then calls rose to {} transactions/s, {} before: \
         clients try again at once",
        human(evidence.value.unwrap_or(0.0)),
        human(peak),
        human(usual)
    );
    Verdict::Likely(Likely::new(0.65, says, evidence).and(rate))
}

/// Statements that failed and clients that were turned away for want of room, per second. A
/// login with a wrong password asks nothing of the server.
fn failures(samples: &[Sample]) -> f64 {
    let turned_away = |e: &LogEntry| e.severity == "FATAL" && e.sqlstate.starts_with("53");
    let failed = |e: &&LogEntry| is_statement_error(e) || turned_away(e);
    let n = samples.iter().flat_map(|s| &s.log).filter(failed).count();
    n as f64 / (samples.len() as f64).max(1.0)
}

/// Failures in the first samples since the onset, and were they more than usual?
fn failures_first(case: &Case, n_samples: usize, what: &str) -> (Evidence, bool) {
    let usual = failures(case.window.baseline());
    let earlier = case.window.recent().get(..n_samples).unwrap_or(&[]);
    let before = failures(earlier);
    let evidence = Evidence::measured(
        format!("failed statements per second before {what}"),
        before,
        "errors/s",
        Source::new(SourceKind::Log, "ERROR and FATAL lines by time"),
    );
    let at = earlier.last().map_or(case.onset, |s| s.at);
    (evidence.against(usual).at(at), before >= 1.0 && before > 3.0 * usual)
}

/// So many times as long is no noise of the machine.
const DEARER: f64 = 5.0;
/// Seconds for which a crowd is there and its statements fail: a queue that is let go works off
/// what it has in less.
const LASTS_S: usize = 5;

/// A server that is overrun answers no more than before, however much is asked of it: then the
/// sessions that work tell, and that they fail still. Unknown where they were there before anything
/// failed; `None` where there was no such crowd, or where each call does more work than before:
/// then they are slow by that.
fn overrun(case: &Case) -> Option<Verdict> {
    let (recent, baseline) = (case.window.recent(), case.window.baseline());
    let seen = |run| Window::complete(run, "sessions");
    let dearer = |(now, old): &(StatementDelta, StatementDelta)| {
        now.ms_per_call >= DEARER * old.ms_per_call.max(0.02) && !is_same_work(now, old)
    };
    if !seen(recent) || !seen(baseline) || regressions(&case.window).iter().any(dearer) {
        return None;
    }
    let usual = at_work(baseline);
    let crowd_in = |s: &Sample| is_crowd(at_work(std::slice::from_ref(s)), usual);
    let fails_in = |s: &Sample| failures(std::slice::from_ref(s)) >= 1.0;
    // The lines of a busy second may come with those of the next.
    let fails = |run: &&[Sample]| {
        let n = run.iter().filter(|s| fails_in(s)).count();
        run.iter().all(crowd_in) && 2 * n > LASTS_S
    };
    let worst = recent.windows(LASTS_S).rev().find(fails)?;
    let crowd = at_work(worst);
    let rose = recent.iter().position(crowd_in)?;
    let (evidence, failed_first) = failures_first(case, rose, "more sessions were at work");
    if !failed_first {
        return Some(Verdict::unknown(format!(
            "whether clients try again at once what failed: {} sessions are at work, {} before, \
             and what they do fails, but they were as many before it did",
            human(crowd),
            human(usual)
        )));
    }
    let says = format!(
        "statements failed first ({} a second), then {} sessions were at work, {} before, none of \
         them behind a lock, and {} statements a second failed still: clients try again at once",
        human(evidence.value.unwrap_or(0.0)),
        human(crowd),
        human(usual),
        human(failures(worst))
    );
    let sessions = Evidence::measured(
        "sessions at work",
        crowd,
        "sessions",
        sampled("sessions: pg_stat_activity"),
    );
    let sessions = sessions.against(usual).at(worst.last()?.at);
    // Sessions at work are more also where each of them is slow.
    let connected =
        |samples: &[Sample]| samples.iter().map(|s| s.sessions.len()).max().unwrap_or(0);
    let asked = attempts(case).is_some_and(|(sent, before)| sent >= RISEN * before)
        || connected(recent) >= 2 * connected(baseline);
    let score = if asked { 0.65 } else { 0.38 };
    Some(Verdict::Likely(Likely::new(score, says, evidence).and(sessions)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, log, sample, session};

    /// The rate doubles from second 35 on; errors come from `errors_from` on.
    fn samples(errors_from: i64) -> Vec<Sample> {
        let mut samples: Vec<Sample> =
            (0..45).map(|s| sample(s, s * 100 + (s - 35).max(0) * 300)).collect();
        for (s, sample) in (0..).zip(&mut samples).filter(|(s, _)| *s >= errors_from) {
            sample.log = vec![log(s, "ERROR", "40001", "could not serialize access"); 5];
        }
        samples
    }

    /// 20 sessions wait behind a lock from second 30 on and work from second 40 on; statements fail
    /// in the seconds given.
    fn overrun(errors_from: i64, errors_until: i64) -> Verdict {
        let mut samples: Vec<Sample> = (0..60).map(|s| sample(s, s * 100)).collect();
        for (s, sample) in (0..).zip(&mut samples) {
            let behind: &[i32] = if (30..40).contains(&s) { &[99] } else { &[] };
            let n = if s < 30 { 2 } else { 20 };
            sample.sessions = (0..n).map(|pid| session(pid, "active", behind)).collect();
            if (errors_from..errors_until).contains(&s) {
                sample.log = vec![log(s, "ERROR", "57014", "statement timeout"); 8];
            }
        }
        judge(&case(samples, 30))
    }

    #[test]
    fn a_server_that_is_overrun_answers_no_more_than_before() {
        assert!(overrun(32, 60).likely().unwrap().says.contains("20 sessions"));
        assert!(matches!(overrun(45, 60), Verdict::Unknown { .. }), "slow first, failed later");
        assert!(matches!(overrun(32, 41), Verdict::RuledOut { .. }), "it is over");
    }

    #[test]
    fn failed_logins_ask_nothing_of_the_server() {
        let mut tried = samples(30);
        for entry in tried.iter_mut().flat_map(|s| &mut s.log) {
            (entry.severity, entry.sqlstate) = ("FATAL".to_owned(), "28P01".to_owned());
        }
        assert!(matches!(judge(&case(tried, 30)), Verdict::RuledOut { .. }));
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
