//! Transactions per second collapse.

use super::{BASELINE_S_MIN, Detector};
use crate::facts::sampled;
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "throughput_drop",
    title: "Transactions per second fall below 40% of their baseline",
    rule: "mean of the last 4 s below 40% of the mean and below 80% of the lowest second of the \
           baseline, with at least 5 transactions/s before: a quiet night is no outage",
    detect,
};

fn detect(window: &Window) -> Vec<Symptom> {
    if window.baseline_s() < BASELINE_S_MIN {
        return Vec::new();
    }
    let (Some(before), Some(now)) = (delta(window.baseline()), delta(window.last_seconds(4.5)))
    else {
        return Vec::new();
    };
    let lowest = window
        .baseline()
        .windows(2)
        .filter_map(delta)
        .map(|d| d.xacts_per_s)
        .fold(f64::INFINITY, f64::min);
    let enough = window.recent().len() >= 4 && now.seconds >= 3.0 && before.xacts_per_s >= 5.0;
    if !enough || now.xacts_per_s > 0.4 * before.xacts_per_s || now.xacts_per_s > 0.8 * lowest {
        return Vec::new();
    }
    vec![Symptom::new(
        DETECTOR.id,
        now.from,
        window.now(),
        Weight::Harm,
        format!("{} transactions/s, {} before", human(now.xacts_per_s), human(before.xacts_per_s)),
        Evidence::measured(
            "transactions per second",
            now.xacts_per_s,
            "transactions/s",
            sampled("database: pg_stat_database"),
        )
        .against(before.xacts_per_s)
        .at(window.now()),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, sample};

    #[test]
    fn a_standstill_is_seen() {
        let mut samples = healthy(30);
        samples.extend((30..36).map(|s| sample(s, 2900 + (s - 29))));
        let window = Window { samples, baseline_until: at(29), catalog: None };
        assert_eq!(detect(&window).len(), 1);
    }
}
