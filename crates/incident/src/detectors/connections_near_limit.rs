//! Connection slots run out.

use super::Detector;
use crate::facts::sampled;
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "connections_near_limit",
    title: "Connection slots run out",
    rule: "95% of max_connections in use: with the three reserved slots of the default 100, two \
           more clients are refused",
    detect,
};

fn detect(window: &Window) -> Vec<Symptom> {
    let Some(database) = window.last().and_then(|s| s.database) else { return Vec::new() };
    let share = database.n_backends as f64 / (database.max_connections as f64).max(1.0);
    if share < 0.95 {
        return Vec::new();
    }
    let before =
        window.baseline().last().and_then(|s| s.database).map_or(0.0, |d| d.n_backends as f64);
    vec![Symptom::new(
        DETECTOR.id,
        window.now(),
        window.now(),
        Weight::Harm,
        format!(
            "{} of {} connection slots are taken",
            database.n_backends, database.max_connections
        ),
        Evidence::measured(
            "connections in use",
            database.n_backends as f64,
            "connections",
            sampled("database: pg_stat_database.numbackends"),
        )
        .against(before)
        .at(window.now()),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy};

    #[test]
    fn a_full_house_is_seen() {
        let mut samples = healthy(30);
        samples.last_mut().unwrap().database.as_mut().unwrap().n_backends = 97;
        let window = Window { samples, baseline_until: at(20), catalog: None };
        assert_eq!(detect(&window).len(), 1);
    }
}
