//! More traffic than before.

use super::Cause;
use crate::facts::{complete, cut, peak_throughput, regressions, sampled, throughput};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "load_spike",
    name: "Traffic spike",
    necessary: "more transactions per second than before, at the same work per call",
    explains: &["statement_slow", "connections_near_limit", "throughput_drop"],
    actions: &[],
    prevention: &["Limit the rate per role in front of the database, and test at twice the peak"],
    judge,
};

/// Traffic varies; half as much again is still a busy minute.
const SPIKE: f64 = 1.5;

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "database", "transactions were not counted") {
        return unknown;
    }
    let (Some((peak, before)), Some((now, _))) = (peak_throughput(case), throughput(case)) else {
        return Verdict::unknown("no rate of transactions before the onset");
    };
    let rate = Evidence::measured(
        "transactions per second",
        now,
        "transactions/s",
        sampled("database: pg_stat_database"),
    )
    .against(before)
    .at(case.window.now());
    if peak < SPIKE * before {
        return match crowded(case) {
            Some(why) => Verdict::unknown(why),
            None => Verdict::ruled_out(rate),
        };
    }
    let grown = regressions(&case.window)
        .into_iter()
        .map(|(now, old)| (now.blks_per_call / old.blks_per_call.max(1.0), now.text))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match grown {
        Some((times, text)) if times >= 3.0 => Verdict::present_not_sufficient(
            Evidence::measured(
                format!(
                    "more calls, but each does more work too, which traffic cannot cause: {}",
                    cut(&text, 60)
                ),
                times,
                "x blocks/call",
                sampled("statements: pg_stat_statements"),
            )
            .against(1.0)
            .at(case.window.now()),
        ),
        _ => Verdict::Likely(Likely::new(
            0.6,
            format!("{} transactions/s at the peak, {} before", human(peak), human(before)),
            rate,
        )),
    }
}

/// An overloaded server does no more transactions than before, however many are asked for:
/// then twice as many sessions are at work, and neither locks nor dearer statements hold them.
fn crowded(case: &Case) -> Option<String> {
    let at_work = |samples: &[Sample]| {
        let busy = |s: &Sample| s.sessions.iter().filter(|x| x.state == "active").count();
        samples.iter().map(busy).sum::<usize>() as f64 / (samples.len() as f64).max(1.0)
    };
    let (now, before) = (at_work(case.window.recent()), at_work(case.window.baseline()));
    let locks = case.symptoms.iter().any(|s| s.detector == "lock_queue");
    let dearer = regressions(&case.window)
        .iter()
        .any(|(now, old)| now.blks_per_call >= 3.0 * old.blks_per_call.max(1.0));
    (now > 2.0 * before + 4.0 && !locks && !dearer).then(|| {
        format!(
            "{} sessions are at work, {} before; what they ask for is not seen",
            human(now),
            human(before)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, sample};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(30);
        samples.extend((30..40).map(|s| sample(s, 2900 + (s - 29) * 400)));
        assert!(judge(&case(samples, 30)).likely().is_some());
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::RuledOut { .. }));
        let mut samples = healthy(40);
        samples.last_mut().unwrap().gaps.push(Gap { sampler: "database".into(), why: "x".into() });
        assert!(matches!(judge(&case(samples, 30)), Verdict::Unknown { .. }));
    }
}
