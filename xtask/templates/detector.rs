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
    let Some(last) = window.last_seconds(LAST_S).last() else { return Vec::new() };
    let waiting: Vec<_> = last.sessions.iter().filter(|s| !s.blocked_by.is_empty()).collect();
    if waiting.is_empty() {
        return Vec::new();
    }
    let source = Source::new(SourceKind::Sample, "sessions");
    let measured = Evidence::measured("sessions wait", waiting.len() as f64, "sessions", source)
        .against(0.0)
        .at(window.now());
    let title = "names the object and what is wrong with it";
    let symptom = Symptom::new(DETECTOR.id, last.at, window.now(), Weight::Harm, title, measured);
    vec![symptom.by(waiting.iter().map(|s| s.pid))]
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
