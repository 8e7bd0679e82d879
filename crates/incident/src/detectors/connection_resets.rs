//! Connections of clients break.

use super::Detector;
use crate::facts::{is_reset, logged, risen};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "connection_resets",
    title: "Connections of clients break without a goodbye",
    rule: "three broken connections in 10 s and three times the baseline. A notice by itself: it \
           says nothing about the data",
    detect,
};

fn detect(window: &Window) -> Vec<Symptom> {
    let risen = risen(window, 10.0, 3, is_reset);
    let notice = risen.map(|(first, per_s, before)| {
        Symptom::new(
            DETECTOR.id,
            first.at,
            window.now(),
            Weight::Notice,
            format!("{} client connections break each second", human(per_s)),
            Evidence::measured("broken client connections", per_s, "resets/s", logged(first))
                .against(before)
                .at(window.now()),
        )
    });
    notice.into_iter().collect()
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
