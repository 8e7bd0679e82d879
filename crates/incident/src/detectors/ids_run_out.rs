//! Transaction ids run out faster than rows are frozen.

use super::Detector;
use crate::facts::sampled;
use crate::forecast::{SEEN_S, newest};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "ids_run_out",
    title: "Transaction ids run out",
    rule: "a notice from twice autovacuum_freeze_max_age on, when the vacuum that it forces has \
           not come through; harm when 40 million ids are left, where the server itself begins \
           to warn (manual, Preventing Transaction ID Wraparound Failures)",
    detect,
};

/// Ids that are half a circle apart can no longer be told from the future.
pub(crate) const IDS: i64 = 1 << 31;
/// The server's own warning limit since 14.
pub(crate) const LEFT_MIN: i64 = 40_000_000;

fn detect(window: &Window) -> Vec<Symptom> {
    let Some(h) = newest(window.last_seconds(SEEN_S), |s| s.horizon.clone()) else {
        return Vec::new();
    };
    let kinds = [
        ("transaction ids", h.xid_age, h.freeze_max_age, "pg_database.datfrozenxid"),
        ("multixact ids", h.mxid_age, h.mxid_freeze_max_age, "pg_database.datminmxid"),
    ];
    let symptom = |(unit, age, max, view): (&'static str, i64, i64, &'static str)| {
        let weight = match age {
            age if IDS - age <= LEFT_MIN => Weight::Harm,
            age if max > 0 && age > 2 * max => Weight::Notice,
            _ => return None,
        };
        let left = (IDS - age).max(0) as f64;
        Some(Symptom::new(
            DETECTOR.id,
            window.now(),
            window.now(),
            weight,
            format!("{} {unit} are left before the server stops writing", human(left)),
            Evidence::measured(
                format!("{unit} since the oldest row that is not frozen"),
                age as f64,
                unit,
                sampled(&format!("horizon: {view}")),
            )
            .against(max as f64)
            .at(window.now()),
        ))
    };
    kinds.into_iter().filter_map(symptom).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy};

    #[test]
    fn behind_is_a_notice_and_the_servers_own_limit_is_harm() {
        for (xid_age, weight) in [
            (210_000_000, None),
            (450_000_000, Some(Weight::Notice)),
            (2_110_000_000, Some(Weight::Harm)),
        ] {
            let mut samples = healthy(40);
            samples.last_mut().unwrap().horizon =
                Some(Horizon { xid_age, freeze_max_age: 200_000_000, ..Horizon::default() });
            let window = Window { samples, baseline_until: at(30), catalog: None };
            assert_eq!(detect(&window).first().map(|s| s.weight), weight);
        }
    }
}
