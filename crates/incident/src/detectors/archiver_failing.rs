//! WAL is no longer archived.

use super::Detector;
use crate::facts::sampled;
use crate::forecast::{SEEN_S, newest};
use crate::retained::{Standstill, is_failing, standstill};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "archiver_failing",
    title: "WAL is not archived any more",
    rule: "three failures or more since the last segment that was archived (the archiver tries \
           each three times before it pauses), and a segment waits; or three segments wait and \
           none was archived for 10 s and five times as long as usual, though no failure is \
           counted. Harm though no client feels it: what is written from then on cannot be \
           restored, and pg_wal grows until the volume is full",
    detect,
};

/// `NUM_ARCHIVE_RETRIES` of the archiver.
const FAILURES_MIN: i64 = 3;

fn detect(window: &Window) -> Vec<Symptom> {
    let Some(wal) = newest(window.last_seconds(SEEN_S), |s| s.wal.clone()) else {
        return Vec::new();
    };
    if !is_failing(&wal) {
        return standstill(window).map(|s| stands(window, &s)).into_iter().collect();
    }
    // Before the first failure that was seen, or the whole count of a server that was so before.
    let same = |s: &&Sample| s.wal.as_ref().is_some_and(|w| w.archived == wal.archived);
    let run = window.samples.iter().filter(same);
    let counts: Vec<i64> = run.filter_map(|s| Some(s.wal.as_ref()?.archive_failed)).collect();
    let all_along = counts.len() == window.samples.iter().filter(|s| s.wal.is_some()).count();
    let from = if all_along { 0 } else { counts.first().copied().unwrap_or(0) };
    let n = wal.archive_failed - from;
    if n < FAILURES_MIN {
        return Vec::new();
    }
    let since = wal.last_archived.unwrap_or(window.now()).max(window.baseline_until);
    let waiting = wal.archive_waiting.map(|n| format!(", {n} segments wait"));
    vec![Symptom::new(
        DETECTOR.id,
        since.min(window.now()),
        window.now(),
        Weight::Harm,
        format!("archiving has failed {n} times in a row{}", waiting.unwrap_or_default()),
        Evidence::measured(
            "failures since the last segment that was archived",
            n as f64,
            "failures",
            sampled("wal: pg_stat_archiver"),
        )
        .against(0.0)
        .at(window.now()),
    )]
}

fn stands(window: &Window, found: &Standstill) -> Symptom {
    let now = window.now();
    let since = now.checked_sub(jiff::SignedDuration::from_secs_f64(found.seconds));
    Symptom::new(
        DETECTOR.id,
        since.unwrap_or(now).max(window.baseline_until),
        now,
        Weight::Harm,
        format!(
            "nothing was archived for {}, {} segments wait",
            human_duration(found.seconds),
            found.waiting
        ),
        found.evidence(now),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy};

    #[test]
    fn an_archiver_that_stands_still_without_a_failure_is_seen() {
        let n_symptoms = |archived: fn(i64) -> i64, waiting: i64| {
            let mut samples = healthy(60);
            for (s, sample) in (0..).zip(&mut samples) {
                sample.wal = Some(WalCounters {
                    archives: true,
                    archived: archived(s),
                    archive_waiting: Some(if s > 35 { waiting } else { 0 }),
                    ..WalCounters::default()
                });
            }
            detect(&Window { samples, baseline_until: at(30), catalog: None }).len()
        };
        assert_eq!(n_symptoms(|s| s.min(35) / 3, 8), 1);
        assert_eq!(n_symptoms(|s| s / 3, 8), 0);
        assert_eq!(n_symptoms(|s| s.min(35) / 3, 1), 0);
        assert_eq!(n_symptoms(|_| 7, 8), 0); // none was seen before: a minute is not over
    }

    fn n_symptoms(fails: i64, last_failed: i64, last_archived: i64) -> usize {
        let mut samples = healthy(40);
        for (s, sample) in (0..).zip(&mut samples) {
            sample.wal = Some(WalCounters {
                archives: true,
                archived: 7,
                archive_failed: if s >= 35 { 2 + fails } else { 2 },
                archive_waiting: Some(1),
                last_failed: Some(at(last_failed)),
                last_archived: Some(at(last_archived)),
                ..WalCounters::default()
            });
        }
        samples.iter_mut().take(10).for_each(|s| s.wal.as_mut().unwrap().archived = 6);
        detect(&Window { samples, baseline_until: at(30), catalog: None }).len()
    }

    #[test]
    fn three_in_a_row_are_an_outage_of_the_archive_and_one_that_heals_is_none() {
        assert_eq!(n_symptoms(3, 36, 9), 1);
        assert_eq!(n_symptoms(1, 36, 9), 0);
        assert_eq!(n_symptoms(3, 36, 38), 0);
    }
}
