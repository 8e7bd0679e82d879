//! Transactions per second collapse.

use super::{BASELINE_S_MIN, Detector};
use crate::facts::sampled;
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "throughput_drop",
    title: "Transactions per second fall below 40% of their baseline",
    rule: "mean of the last 4 s below 40% of the mean and below 80% of the lowest second of the \
           baseline, with at least 5 transactions/s before: a quiet night is no outage. It is \
           harm when sessions are held up (half as many again are at work as before, or some \
           wait for a lock), else a notice: clients may simply ask for less",
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
        if held_up(window) { Weight::Harm } else { Weight::Notice },
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

/// Are more sessions at work than before, though less gets done, or do some wait for locks?
fn held_up(window: &Window) -> bool {
    let recent = window.last_seconds(4.5);
    let waiting = recent.iter().any(|s| s.sessions.iter().any(|x| !x.blocked_by.is_empty()));
    let at_work = |samples: &[Sample]| {
        let busy = |s: &Sample| s.sessions.iter().filter(|x| x.state != "idle").count();
        samples.iter().map(busy).sum::<usize>() as f64 / (samples.len() as f64).max(1.0)
    };
    waiting || at_work(recent) > 1.5 * at_work(window.baseline()) + 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, sample, session};

    #[test]
    fn a_standstill_is_seen() {
        let mut samples = healthy(30);
        samples.extend((30..36).map(|s| sample(s, 2900 + (s - 29))));
        let mut window = Window { samples, baseline_until: at(29), catalog: None };
        assert_eq!(detect(&window).first().unwrap().weight, Weight::Notice);
        window.samples.last_mut().unwrap().sessions =
            vec![session(1, "active", &[]), session(2, "active", &[1])];
        assert_eq!(detect(&window).first().unwrap().weight, Weight::Harm);
    }
}
