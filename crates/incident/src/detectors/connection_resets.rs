//! Connections of clients break.

use super::Detector;
use crate::facts::{count_log, is_reset, logged};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "connection_resets",
    title: "Connections of clients break without a goodbye",
    rule: "three broken connections in 10 s and three times the baseline, or a probe of ours that \
           did not get through. A notice by itself: it says nothing about the data",
    detect,
};

fn detect(window: &Window) -> Vec<Symptom> {
    let recent = window.last_seconds(10.0);
    let (n, per_s) = count_log(recent, is_reset);
    let (_, before) = count_log(window.baseline(), is_reset);
    let first = recent.iter().flat_map(|s| &s.log).find(|e| is_reset(e));
    match first {
        Some(first) if n >= 3 && per_s > 3.0 * before => vec![Symptom::new(
            DETECTOR.id,
            first.at,
            window.now(),
            Weight::Notice,
            format!("{} client connections break each second", human(per_s)),
            Evidence::measured("broken client connections", per_s, "resets/s", logged(first))
                .against(before)
                .at(window.now()),
        )],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, log};

    #[test]
    fn three_resets_are_noticed() {
        let mut samples = healthy(30);
        samples.last_mut().unwrap().log = vec![
            log(
                29,
                "LOG",
                "08006",
                "could not receive data from client: Connection reset by peer"
            );
            3
        ];
        let window = Window { samples, baseline_until: at(20), catalog: None };
        assert_eq!(detect(&window).len(), 1);
    }
}
