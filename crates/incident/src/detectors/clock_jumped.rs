//! The server's clock jumps or runs away from ours.

use super::Detector;
use crate::facts::sampled;
use crate::forecast::newest;
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "clock_jumped",
    title: "The server's clock has jumped",
    rule: "it is a second further from ours than ever in the baseline: clocks that are kept by \
           NTP differ by milliseconds, and tokens and certificates allow for seconds. A notice",
    detect,
};

pub(crate) const JUMP_MS: f64 = 1000.0;

fn detect(window: &Window) -> Vec<Symptom> {
    let offset = |s: &Sample| s.clock_offset_ms;
    let Some(now) = newest(window.last_seconds(12.0), offset) else { return Vec::new() };
    let usual: Vec<f64> = window.baseline().iter().filter_map(offset).collect();
    let Some(least) = usual.iter().copied().map(|ms| (now - ms).abs()).reduce(f64::min) else {
        return Vec::new();
    };
    if least < JUMP_MS {
        return Vec::new();
    }
    vec![Symptom::new(
        DETECTOR.id,
        window.now(),
        window.now(),
        Weight::Notice,
        format!("the server's clock has moved by {}", human_duration(least / 1000.0)),
        Evidence::measured("the server's clock minus ours", now, "ms", sampled("clock"))
            .against(usual.last().copied().unwrap_or(0.0))
            .at(window.now()),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy};

    #[test]
    fn a_step_is_seen_and_a_steady_difference_is_none() {
        for (now, n) in [(5_000.0, 0), (65_000.0, 1), (3_500.0, 1)] {
            let mut samples = healthy(40);
            samples.iter_mut().take(35).for_each(|s| s.clock_offset_ms = Some(5_000.0));
            samples.last_mut().unwrap().clock_offset_ms = Some(now);
            let window = Window { samples, baseline_until: at(30), catalog: None };
            assert_eq!(detect(&window).len(), n);
        }
    }
}
