//! How much was harmed, measured from the samples where nobody on the users' side counted.

use jiff::Timestamp;
use pgward_model::prelude::*;

/// Points of a plot; a longer time is told in longer steps.
const POINTS_MAX: usize = 600;
/// Healthy seconds shown before the trouble.
const BEFORE_S: f64 = 30.0;

/// Rates of one step between two samples.
struct Step {
    at: Timestamp,
    seconds: f64,
    commits_per_s: f64,
    /// Share of the client sessions that waited for a lock at its end.
    n_waiting: u64,
    n_sessions: u64,
}

/// Impact from the samples: committed transactions that are missing against the baseline;
/// without a baseline, sessions that waited for a lock.
pub(super) fn measured(case: Option<&Case>, started: Timestamp, ended: Timestamp) -> Impact {
    let Some(case) = case else {
        return nothing("not measured: neither a count of requests nor samples were kept");
    };
    let steps = steps(&case.window.samples);
    let until = case.window.baseline_until.min(started);
    let (healthy, rest): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(|s| s.at <= until);
    // Two rates are the least that have a spread.
    if healthy.len() < 2 {
        return by_sessions(&steps, started, ended);
    }
    let n = healthy.len() as f64;
    let mean = healthy.iter().map(|s| s.commits_per_s).sum::<f64>() / n;
    let square = |s: &&Step| (s.commits_per_s - mean).powi(2);
    let spread = (healthy.iter().map(square).sum::<f64>() / (n - 1.0)).sqrt();
    // A healthy second falls below three deviations about once in an hour. A short or restless
    // baseline spreads so widely that nothing would count; half the rate is gone in any case.
    let floor = (mean - 3.0 * spread).max(mean / 2.0);
    let missing = |s: &Step| {
        if s.commits_per_s < floor { (mean - s.commits_per_s).max(0.0) } else { 0.0 }
    };
    let inside = || rest.iter().filter(|s| s.at > started && s.at <= ended);
    let harmed: f64 = inside().map(|s| missing(s) * s.seconds).sum();
    let total: f64 = inside().map(|s| (s.commits_per_s + missing(s)) * s.seconds).sum();
    let measured_s: f64 = inside().map(|s| s.seconds).sum();
    let waited = inside().map(|s| s.n_waiting).max().unwrap_or(0);
    let first = seconds_from(started, -BEFORE_S);
    let points = steps.iter().filter(|s| s.at >= first).map(|s| ImpactPoint {
        at: s.at,
        total: s.commits_per_s + missing(s),
        harmed: missing(s),
    });
    let (n_harmed, n_total) = (harmed.round() as u64, total.round() as u64);
    Impact {
        explain: format!(
            "{} of {} expected transactions did not commit in {} of samples: the baseline was {} \
             commits/s over {} seconds, and only seconds more than three deviations or half \
             below it count. At the worst moment {waited} sessions waited for a lock",
            human(n_harmed as f64),
            human(n_total as f64),
            human_duration(measured_s),
            human(mean),
            healthy.len(),
        ),
        per_second: thinned(points.collect()),
        n_harmed,
        n_total,
        of: "transactions".to_owned(),
    }
}

/// Without a baseline: the share of client sessions that waited, summed over the samples.
fn by_sessions(steps: &[Step], started: Timestamp, ended: Timestamp) -> Impact {
    if steps.is_empty() {
        return nothing("not measured: no two samples with the database's counters were kept");
    }
    let inside = || steps.iter().filter(|s| s.at >= started && s.at <= ended);
    let worst = inside().max_by_key(|s| s.n_waiting);
    let (n_harmed, n_total) = worst.map_or((0, 0), |s| (s.n_waiting, s.n_sessions));
    let points = steps.iter().map(|s| ImpactPoint {
        at: s.at,
        total: s.n_sessions as f64,
        harmed: s.n_waiting as f64,
    });
    Impact {
        explain: format!(
            "{n_harmed} of {n_total} client sessions waited for a lock at the worst moment; there \
             is no healthy time before it to compare transactions with"
        ),
        per_second: thinned(points.collect()),
        n_harmed,
        n_total,
        of: "sessions".to_owned(),
    }
}

fn nothing(explain: &str) -> Impact {
    Impact {
        explain: explain.to_owned(),
        per_second: Vec::new(),
        n_harmed: 0,
        n_total: 0,
        of: "transactions".to_owned(),
    }
}

fn steps(samples: &[Sample]) -> Vec<Step> {
    let counted: Vec<&Sample> = samples.iter().filter(|s| s.database.is_some()).collect();
    let pairs = counted.iter().zip(counted.iter().skip(1));
    pairs
        .filter_map(|(before, after)| {
            let (a, b) = (before.database?, after.database?);
            let seconds = seconds_between(before.at, after.at);
            // Counters that run backwards were reset: nothing is known of that step.
            let commits = b.xact_commit - a.xact_commit;
            (seconds > 0.0 && commits >= 0).then(|| Step {
                at: after.at,
                seconds,
                commits_per_s: commits as f64 / seconds,
                n_waiting: after.sessions.iter().filter(|s| !s.blocked_by.is_empty()).count()
                    as u64,
                n_sessions: after.sessions.len() as u64,
            })
        })
        .collect()
}

/// At most [`POINTS_MAX`] points, each the mean of as many.
fn thinned(points: Vec<ImpactPoint>) -> Vec<ImpactPoint> {
    let step = points.len().div_ceil(POINTS_MAX).max(1);
    let mean = |chunk: &[ImpactPoint]| {
        let n = chunk.len() as f64;
        chunk.first().map(|first| ImpactPoint {
            at: first.at,
            total: chunk.iter().map(|p| p.total).sum::<f64>() / n,
            harmed: chunk.iter().map(|p| p.harmed).sum::<f64>() / n,
        })
    };
    points.chunks(step).filter_map(mean).collect()
}

/// `at` moved by `seconds`; itself where that leaves the calendar.
fn seconds_from(at: Timestamp, seconds: f64) -> Timestamp {
    let moved = jiff::SignedDuration::try_from_secs_f64(seconds);
    moved.ok().and_then(|d| at.checked_add(d).ok()).unwrap_or(at)
}
