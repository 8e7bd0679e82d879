//! A key nears the end of its type.

use super::Detector;
use crate::facts::sampled;
use crate::forecast::{ids_per_s, newest};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "key_overflow",
    title: "A key or a reference to it runs out of numbers",
    rule: "a notice from 80% of what column or sequence can hold; harm when the rate of the last \
           minutes takes what is left within an hour. A sequence that stands still harms nobody",
    detect,
};

pub(crate) const USED: f64 = 0.8;
const SOON_S: f64 = 3600.0;

fn detect(window: &Window) -> Vec<Symptom> {
    let Some(keys) = newest(&window.samples, |s| s.keys.clone()) else { return Vec::new() };
    let near = keys.iter().filter(|k| k.used() >= USED);
    near.map(|key| {
        let per_s = ids_per_s(&window.samples, key).unwrap_or(0.0);
        let left = (key.limit - key.last_value).max(0) as f64;
        let left_s = (per_s > 0.0).then(|| left / per_s);
        // A reference that is past its end harms those who write it, and their errors say so.
        let soon = left_s.is_some_and(|s| s <= SOON_S) && (key.refers_to.is_none() || left > 0.0);
        let when = left_s.filter(|s| *s > 0.0);
        let when = when.map(|s| format!(", at its end in {}", human_duration(s)));
        Symptom::new(
            DETECTOR.id,
            window.now(),
            window.now(),
            if soon { Weight::Harm } else { Weight::Notice },
            format!(
                "{}.{} ({}) is at {} of {}{}",
                key.relation,
                key.column,
                key.data_type,
                human(key.last_value as f64),
                human(key.limit as f64),
                when.unwrap_or_default()
            ),
            Evidence::measured(
                format!("used of the numbers of {}.{}", key.relation, key.column),
                100.0 * key.used(),
                "%",
                sampled(&format!("keys: {}", key.sequence)),
            )
            .at(window.now()),
        )
        .on([key.relation.clone()])
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, key};

    #[test]
    fn near_is_a_notice_and_soon_is_harm() {
        let weight = |last_value: i64, per_s: i64| {
            let mut samples = healthy(40);
            for (s, sample) in (0..).zip(&mut samples) {
                sample.keys = Some(vec![key("orders", last_value - (39 - s) * per_s)]);
            }
            let window = Window { samples, baseline_until: at(30), catalog: None };
            detect(&window).first().map(|s| s.weight)
        };
        assert_eq!(weight(1_000_000, 50), None);
        assert_eq!(weight(1_900_000_000, 50), Some(Weight::Notice));
        assert_eq!(weight(2_147_480_000, 50), Some(Weight::Harm));
        assert_eq!(weight(2_147_483_647, 0), Some(Weight::Notice));
        assert_eq!(weight(2_147_480_000, 0), Some(Weight::Notice));
    }
}
