//! The server's clock was set or runs away.

use super::Cause;
use crate::detectors::clock_jumped::JUMP_MS;
use crate::facts::sampled;
use crate::forecast::newest;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "env_clock",
    name: "Clock skew or step",
    necessary: "the server's clock is a second further from ours than in the baseline",
    explains: &["clock_jumped", "login_failures"],
    actions: &[],
    prevention: &[
        "Alarm on chrony's offset, and let it slew instead of step",
        "Measure durations on a monotonic clock and lag by LSN",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let offset = |s: &Sample| s.clock_offset_ms;
    let Some(now) = newest(case.window.recent(), offset) else {
        return Verdict::unknown("the server's clock since the onset");
    };
    let Some(before) = newest(case.window.baseline(), offset) else {
        return Verdict::unknown("the server's clock before the onset");
    };
    let evidence = Evidence::measured("the server's clock minus ours", now, "ms", sampled("clock"))
        .against(before)
        .at(case.window.now());
    if (now - before).abs() < JUMP_MS {
        return Verdict::ruled_out(evidence);
    }
    let says = format!(
        "the server's clock has moved by {} against ours",
        human_duration((now - before) / 1000.0)
    );
    // Ours may be the one that moved; nothing here tells the two apart.
    Verdict::Likely(Likely::new(0.5, says, evidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let with = |after: f64| {
            let mut samples = healthy(40);
            for (i, s) in (0..).zip(&mut samples) {
                s.clock_offset_ms = Some(if i > 32 { after } else { 3.0 });
            }
            case(samples, 30)
        };
        assert!(judge(&with(65_000.0)).likely().is_some());
        assert!(matches!(judge(&with(4.0)), Verdict::RuledOut { .. }));
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::Unknown { .. }));
    }
}
