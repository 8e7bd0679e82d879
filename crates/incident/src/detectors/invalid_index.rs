//! An index was left half-built.

use super::{BASELINE_S_MIN, Detector};
use crate::facts::sampled;
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "invalid_index",
    title: "An index was left invalid",
    rule: "an index that was not invalid in the baseline is invalid in two looks in a row, three \
           seconds apart, while no session builds, rebuilds or drops an index: a build that failed. \
           Users pay for it with every write, and a unique one guards nothing",
    detect,
};

fn detect(window: &Window) -> Vec<Symptom> {
    if window.baseline_s() < BASELINE_S_MIN {
        return Vec::new();
    }
    let looks = |samples: &'_ [Sample]| -> Vec<(Timestamp, PlannerSample)> {
        samples.iter().filter_map(|s| Some((s.at, s.planner.clone()?))).collect()
    };
    let (Some(before), recent) = (looks(window.baseline()).pop(), looks(window.recent())) else {
        return Vec::new();
    };
    let [.., (since, earlier), (at, last)] = recent.as_slice() else { return Vec::new() };
    let left = |p: &PlannerSample, index: &InvalidIndex| {
        p.invalid_indexes.iter().any(|i| i.index == index.index && !i.building)
    };
    let was = |i: &InvalidIndex| {
        before.1.invalid_indexes.iter().any(|b| b.index == i.index && !b.building)
    };
    let new = last.invalid_indexes.iter().filter(|i| left(last, i) && left(earlier, i) && !was(i));
    new.map(|index| {
        Symptom::new(
            DETECTOR.id,
            *since,
            if seconds_between(*at, window.now()) < LOOK_S { window.now() } else { *at },
            Weight::Harm,
            format!("index {} on {} was left invalid", index.index, index.table),
            Evidence::measured(
                "invalid indexes that nobody is building",
                last.invalid_indexes.len() as f64,
                "indexes",
                sampled("planner: pg_index.indisvalid"),
            )
            .against(before.1.invalid_indexes.len() as f64)
            .at(*at),
        )
        .on([index.table.clone()])
    })
    .collect()
}

/// A look holds until the next is due, and a little longer.
const LOOK_S: f64 = 5.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy};

    /// An index invalid from second `from` on.
    fn window(from: usize, building: bool) -> Window {
        let mut samples = healthy(40);
        for (i, sample) in samples.iter_mut().enumerate().step_by(3) {
            let index = InvalidIndex {
                index: Relation::new("public", "users_email_key"),
                table: Relation::new("public", "users"),
                definition: String::new(),
                unique: true,
                ready: true,
                building,
            };
            let invalid_indexes = if i >= from { vec![index] } else { Vec::new() };
            sample.planner = Some(PlannerSample { invalid_indexes, ..PlannerSample::default() });
        }
        Window { samples, baseline_until: at(29), catalog: None }
    }

    #[test]
    fn a_failed_build_is_harm_and_one_at_work_or_an_old_one_is_not() {
        assert_eq!(detect(&window(33, false)).len(), 1);
        assert_eq!(detect(&window(39, false)), []); // one look is no leftover yet
        assert_eq!(detect(&window(33, true)), []);
        assert_eq!(detect(&window(0, false)), []);
    }
}
