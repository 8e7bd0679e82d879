//! Connection slots run out.

use super::Detector;
use crate::facts::{Full, full, logged, risen, sampled};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

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
    let last = window.last_seconds(LAST_S).iter().flat_map(|s| &s.log);
    // Each for itself: a job that is always refused at night says nothing of the others.
    let all: BTreeSet<Full<'_>> = last.filter_map(full).collect();
    let each = all
        .into_iter()
        .filter_map(|whose| risen(window, LAST_S, REFUSED_MIN, |e| full(e) == Some(whose)));
    let (first, per_s, before) = each.max_by(|a, b| a.1.total_cmp(&b.1))?;
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
    fn who_is_always_refused_is_not_told_for_who_is_refused_now() {
        let of = |role: &str, second: i64| LogEntry {
            role: role.to_owned(),
            ..log(second, "FATAL", "53300", &format!("too many connections for role \"{role}\""))
        };
        let mut samples = healthy(30);
        for (second, sample) in (0..).zip(&mut samples) {
            sample.log = vec![of("nightjob", second)];
        }
        let window = |samples| Window { samples, baseline_until: at(20), catalog: None };
        assert_eq!(detect(&window(samples.clone())), []);
        samples.last_mut().unwrap().log.extend(vec![of("bookings", 29); 3]);
        let found = detect(&window(samples));
        assert!(found.len() == 1 && found[0].title.contains("bookings"), "{found:?}");
    }

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
