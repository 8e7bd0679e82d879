//! A setting is written down and waits for a restart.

use super::Detector;
use crate::facts::sampled;
use crate::forecast::newest;
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "setting_pending",
    title: "A setting waits for a restart",
    rule: "any: the next restart, for whatever reason, tries a value that was never tried. A \
           notice at the time of the change, when who made it still knows why",
    detect,
};

fn detect(window: &Window) -> Vec<Symptom> {
    let Some(pending) = newest(window.last_seconds(12.0), |s| s.pending.clone()) else {
        return Vec::new();
    };
    if pending.is_empty() {
        return Vec::new();
    }
    let all: Vec<String> =
        pending.iter().map(|c| format!("{} from {} to {}", c.name, c.before, c.after)).collect();
    vec![Symptom::new(
        DETECTOR.id,
        window.now(),
        window.now(),
        Weight::Notice,
        format!("the next restart changes {}", all.join(", ")),
        Evidence::measured(
            "settings that wait for a restart",
            pending.len() as f64,
            "settings",
            sampled("config: pg_settings.pending_restart"),
        )
        .against(0.0)
        .at(window.now()),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy};

    #[test]
    fn it_is_told_while_it_waits() {
        let mut samples = healthy(40);
        let change = ConfigChange {
            at: at(33),
            kind: "pending".to_owned(),
            name: "shared_buffers".to_owned(),
            before: "64MB".to_owned(),
            after: "64GB".to_owned(),
        };
        samples.get_mut(35).unwrap().pending = Some(vec![change]);
        let mut window = Window { samples, baseline_until: at(30), catalog: None };
        let found = detect(&window);
        let title = found.first().unwrap().title.as_str();
        assert_eq!(title, "the next restart changes shared_buffers from 64MB to 64GB");
        window.samples.last_mut().unwrap().pending = Some(Vec::new());
        assert_eq!(detect(&window), []);
    }
}
