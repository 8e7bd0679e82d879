//! Connection slots run out.

use super::Detector;
use crate::facts::sampled;
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "connections_near_limit",
    title: "Connection slots run out",
    rule: "95% of the connections in use that max_connections leaves beside the reserved ones: \
           of the default 97, five more clients are refused",
    detect,
};

/// Percent of the slots that ordinary roles may have.
pub(crate) const NEAR_LIMIT_PERCENT: f64 = 95.0;

fn detect(window: &Window) -> Vec<Symptom> {
    let Some(database) = window.last().and_then(|s| s.database) else { return Vec::new() };
    if database.slots_used() < NEAR_LIMIT_PERCENT {
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
            "{} of {} connection slots that are not reserved are taken",
            database.n_backends,
            database.slots()
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
    fn a_full_house_is_seen_also_where_reserved_slots_are_left() {
        for (n_backends, max_connections, open_connections, n) in
            [(97, 100, None, 1), (47, 50, Some(47), 1), (40, 50, Some(47), 0)]
        {
            let mut samples = healthy(30);
            let database = samples.last_mut().unwrap().database.as_mut().unwrap();
            *database =
                DatabaseCounters { n_backends, max_connections, open_connections, ..*database };
            let window = Window { samples, baseline_until: at(20), catalog: None };
            assert_eq!(detect(&window).len(), n);
        }
    }
}
