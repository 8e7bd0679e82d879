//! What it sees, in one sentence.

use super::Detector;
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "{{id}}",
    title: "What it sees, for people",
    rule: "when it speaks, with the origin of every number in it",
    detect,
};

const LAST_S: f64 = 5.0; // half of the 10 s in which trouble must be seen

fn detect(window: &Window) -> Vec<Symptom> {
    let recent = window.last_seconds(LAST_S);
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy};

    #[test]
    fn trips_on_trouble_and_not_on_health() {
        let window = Window { samples: healthy(40), baseline_until: at(30), catalog: None };
        assert_eq!(detect(&window), []);
        // Samples that must trip it: say here which, and what it must say of them.
        assert_eq!(detect(&window).len(), 1);
    }
}
