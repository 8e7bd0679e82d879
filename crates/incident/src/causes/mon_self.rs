//! We are the load ourselves.

use super::Cause;
use crate::facts::{round_trips, sampled};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "mon_self",
    name: "The monitor itself is the load",
    necessary: "our own ticks take longer than our budget, and most of the work is ours",
    explains: &["statement_slow", "sessions_hang"],
    actions: &[],
    prevention: &["Keep the statement_timeout and lock_timeout of the watching role"],
    judge,
};

/// Half of each second would be ours.
const BUDGET_MS: f64 = 500.0;
/// A round trip that has grown so much is what makes our ticks long.
const TRIP_TIMES: f64 = 5.0;

fn judge(case: &Case) -> Verdict {
    let mean = |samples: &[Sample]| {
        samples.iter().map(|s| s.own_ms).sum::<f64>() / (samples.len() as f64).max(1.0)
    };
    let recent = case.window.recent();
    if recent.is_empty() {
        return Verdict::unknown("no sample since the onset");
    }
    let evidence = Evidence::measured(
        "our own time on the server per tick",
        mean(recent),
        "ms",
        sampled("own cost"),
    )
    .against(mean(case.window.baseline()))
    .at(case.window.now());
    if mean(recent) < BUDGET_MS {
        return Verdict::ruled_out(evidence);
    }
    // Each of our queries waits for the path, there and back.
    if let Some((now, before)) = round_trips(case)
        && now > TRIP_TIMES * before.max(1.0)
    {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!(
                "our own time per tick, while SELECT 1 takes {} ms there and back, {} before: it is \
                 on the path",
                human(now),
                human(before)
            ),
            ..evidence
        });
    }
    // On a server that is busy with others our queries are slow too.
    let at_work = |s: &Sample| s.sessions.iter().filter(|x| x.state == "active").count();
    let others = recent.iter().map(at_work).sum::<usize>() as f64 / recent.len() as f64;
    if others > mean(recent) / 1000.0 {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!(
                "our own time on the server per tick, while {} sessions of others are at work",
                human(others)
            ),
            ..evidence
        });
    }
    Verdict::Likely(Likely::new(0.5, "our own queries take most of each second", evidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(35);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        for s in &mut samples {
            s.own_ms = 900.0;
        }
        assert!(judge(&case(samples.clone(), 30)).likely().is_some());
        for s in samples.iter_mut().skip(30) {
            s.sessions = vec![session(1, "active", &[]), session(2, "active", &[])];
        }
        assert!(matches!(judge(&case(samples, 30)), Verdict::RuledOut { present: true, .. }));
        assert!(matches!(judge(&case(healthy(29), 30)), Verdict::Unknown { .. }));
    }
}
