//! Somebody keeps vacuum from removing dead rows.

use super::Detector;
use crate::facts::sampled;
use crate::forecast::{SEEN_S, newest};
use crate::horizon::held_s;
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "xmin_held",
    title: "An old snapshot keeps dead rows from being removed",
    rule: "one holder for a quarter of an hour: reports take minutes, and a table that is \
           updated all day doubles in hours. A notice: what it does to statements is seen there",
    detect,
};

const LONG_S: f64 = 900.0;

fn detect(window: &Window) -> Vec<Symptom> {
    let Some(horizon) = newest(window.last_seconds(SEEN_S), |s| s.horizon.clone()) else {
        return Vec::new();
    };
    let held_s = |h: &XminHolder| held_s(window, h, window.now());
    let old = horizon.holders.iter().filter(|h| held_s(h) >= LONG_S);
    let symptom = |h: &XminHolder| {
        let what = format!("{} has held its snapshot for {}", h.name, human_duration(held_s(h)));
        Symptom::new(
            DETECTOR.id,
            window.now(),
            window.now(),
            Weight::Notice,
            what,
            Evidence::measured(
                "transactions since that snapshot",
                h.age_xids as f64,
                "transaction ids",
                sampled("horizon: pg_stat_activity.backend_xmin"),
            )
            .at(window.now()),
        )
        .by((h.pid != 0).then_some(h.pid))
    };
    old.max_by_key(|h| h.age_xids).map(symptom).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, slot};

    #[test]
    fn a_slot_is_old_by_our_own_account() {
        let mut samples = healthy(910);
        for (s, sample) in (0..).zip(&mut samples) {
            let holder = slot(100 * s);
            let (holders, next_xid) = (vec![holder], 100 * s);
            sample.horizon = Some(Horizon { holders, next_xid, ..Horizon::default() });
        }
        let window = Window { samples, baseline_until: at(900), catalog: None };
        assert_eq!(detect(&window).len(), 1);
    }

    #[test]
    fn a_report_of_minutes_is_none_of_it() {
        for (since, n) in [(-860, 0), (-900, 1)] {
            let mut samples = healthy(40);
            let holder = XminHolder {
                kind: HolderKind::Session,
                name: "report".to_owned(),
                pid: 7,
                role: "bi".to_owned(),
                age_xids: 90_000,
                since: Some(at(since)),
                state: "idle in transaction".to_owned(),
            };
            let horizon = Horizon { holders: vec![holder], ..Horizon::default() };
            samples.last_mut().unwrap().horizon = Some(horizon);
            let window = Window { samples, baseline_until: at(30), catalog: None };
            assert_eq!(detect(&window).len(), n);
        }
    }
}
