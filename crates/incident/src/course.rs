//! The course of an incident, second by second: where its baseline ends, and what it has shown.

use crate::detectors::BASELINE_S_MIN;
use pgward_model::prelude::*;

/// The baseline ends this long before now, so that trouble is not learned while it begins.
const BASELINE_GAP_S: f64 = 6.0; // longer than any detector needs to speak

/// Where the baseline ends while all is well.
pub fn baseline_until(now: Timestamp) -> Timestamp {
    let gap = jiff::SignedDuration::from_secs_f64(BASELINE_GAP_S);
    now.checked_sub(gap).unwrap_or(now)
}

/// Where the baseline of an incident that began at `since` ends: not after it, but a trouble
/// that began before we looked must not take what baseline there is.
pub fn baseline_end(window: &Window, since: Timestamp) -> Timestamp {
    let end = window.baseline_until.min(since);
    let least = jiff::SignedDuration::from_secs_f64(BASELINE_S_MIN);
    let first = window.samples.first().and_then(|s| s.at.checked_add(least).ok());
    first.map_or(end, |first| end.max(first.min(window.baseline_until)))
}

/// Takes note of what a detector says: of one symptom the last word, since its first. True when
/// nobody had said it yet.
pub fn note(symptoms: &mut Vec<Symptom>, new: Symptom) -> bool {
    let same = |s: &&mut Symptom| s.detector == new.detector && s.relations == new.relations;
    match symptoms.iter_mut().find(same) {
        Some(old) => {
            let since = old.since.min(new.since);
            *old = new;
            old.since = since;
            false
        }
        None => {
            symptoms.push(new);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy};

    #[test]
    fn trouble_older_than_all_samples_leaves_a_baseline() {
        let window =
            Window { samples: healthy(60), baseline_until: baseline_until(at(60)), catalog: None };
        assert_eq!(baseline_end(&window, at(50)), at(50));
        assert_eq!(baseline_end(&window, at(-7200)), at(10));
        let young = Window { baseline_until: at(5), ..window };
        assert_eq!(baseline_end(&young, at(-7200)), at(5));
    }

    #[test]
    fn of_one_symptom_the_last_word_counts_since_its_first() {
        let said = |since, title: &str| {
            let source = Source::new(SourceKind::Sample, "x");
            let evidence = Evidence::measured("x", 1.0, "x", source);
            Symptom::new("lock_queue", at(since), at(since), Weight::Harm, title, evidence)
        };
        let mut all = Vec::new();
        assert!(note(&mut all, said(3, "first")));
        assert!(!note(&mut all, said(5, "last")));
        let told: Vec<_> = all.iter().map(|s| (s.since, s.title.as_str())).collect();
        assert_eq!(told, [(at(3), "last")]);
    }
}
