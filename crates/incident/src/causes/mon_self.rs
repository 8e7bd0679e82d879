//! We are the load ourselves.

use super::Cause;
use crate::facts::sampled;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "mon_self",
    name: "The monitor itself is the load",
    necessary: "our own ticks take longer than our budget",
    explains: &["statement_slow"],
    actions: &[],
    prevention: &["Keep the statement_timeout and lock_timeout of the watching role"],
    judge,
};

/// Half of each second would be ours.
const BUDGET_MS: f64 = 500.0;

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
    Verdict::Likely(Likely::new(0.5, "our own queries take most of each second", evidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(35);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        for s in &mut samples {
            s.own_ms = 900.0;
        }
        assert!(judge(&case(samples, 30)).likely().is_some());
        assert!(matches!(judge(&case(healthy(29), 30)), Verdict::Unknown { .. }));
    }
}
