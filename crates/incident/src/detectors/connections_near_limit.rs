//! Connection slots run out.

use super::Detector;
use crate::facts::{full, logged, risen, sampled};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "connections_near_limit",
    title: "Connection slots run out",
    rule: "95% of the connections in use that max_connections leaves beside the reserved ones: \
           of the default 97, five more clients are refused; or three clients refused within 5 s \
           since their role or database has as many as it may, three times as often as in the \
           baseline",
    detect,
};

/// Percent of the slots that ordinary roles may have.
pub(crate) const NEAR_LIMIT_PERCENT: f64 = 95.0;

const LAST_S: f64 = 5.0; // half of the 10 s in which trouble must be seen
/// One client that tries again is a person.
const REFUSED_MIN: usize = 3;

fn detect(window: &Window) -> Vec<Symptom> {
    let Some(database) = window.last().and_then(|s| s.database) else { return Vec::new() };
    if database.slots_used() < NEAR_LIMIT_PERCENT {
        return own_limit(window).into_iter().collect();
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

/// A role or database that has as many connections as it may.
fn own_limit(window: &Window) -> Option<Symptom> {
    let (first, per_s, before) = risen(window, LAST_S, REFUSED_MIN, |e| full(e).is_some())?;
    let refused = Evidence::measured("connections refused", per_s, "refusals/s", logged(first));
    let title = format!("connections are refused: {}", first.message);
    let refused = refused.against(before).at(window.now());
    Some(Symptom::new(DETECTOR.id, first.at, window.now(), Weight::Harm, title, refused))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, log};

    #[test]
    fn a_role_that_may_have_no_more_is_seen_while_the_server_has_room() {
        let message = "too many connections for role \"site\"";
        for (message, n_lines, n) in [(message, 3, 1), (message, 2, 0), ("sorry, too many", 9, 0)] {
            let mut samples = healthy(30);
            samples.last_mut().unwrap().log = vec![log(29, "FATAL", "53300", message); n_lines];
            let window = Window { samples, baseline_until: at(20), catalog: None };
            let found = detect(&window);
            assert_eq!(found.len(), n);
            assert!(found.iter().all(|s| s.title.contains("role \"site\"")), "{found:?}");
        }
    }

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
