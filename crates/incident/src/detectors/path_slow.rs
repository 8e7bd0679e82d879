//! Messages take long between us and the server.

use super::throughput_drop::rates;
use super::{BASELINE_S_MIN, Detector};
use crate::facts::{median, sampled};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "path_slow",
    title: "Messages to the server and back take long",
    rule: "SELECT 1 takes five times as long as in the baseline and 50 ms longer (what people \
           notice in a page of ten queries) in three samples in a row, while the server's own time \
           for statements has not doubled. Harm when transactions have fallen below 70% of their \
           baseline, else a notice: our path need not be that of clients",
    detect,
};

const TIMES: f64 = 5.0;
const ADDED_MS: f64 = 50.0;
/// The server is busy itself when its statements take so many times as long.
const BUSY_TIMES: f64 = 2.0;
const FALLEN_TO: f64 = 0.7;

fn detect(window: &Window) -> Vec<Symptom> {
    let trip = |s: &Sample| s.probe.and_then(|p| p.round_trip_ms);
    let last: Vec<&Sample> = window.samples.iter().rev().take(3).collect();
    let (Some(first), 3) = (last.last(), last.len()) else { return Vec::new() };
    let Some(before) = median(window.baseline().iter().filter_map(trip).collect()) else {
        return Vec::new();
    };
    let is_slow = |ms: f64| ms >= TIMES * before && ms >= before + ADDED_MS;
    if window.baseline_s() < BASELINE_S_MIN || !last.iter().all(|s| trip(s).is_some_and(is_slow)) {
        return Vec::new();
    }
    if is_busy(window) {
        return Vec::new();
    }
    let now = median(last.iter().filter_map(|s| trip(s)).collect()).unwrap_or(0.0);
    vec![Symptom::new(
        DETECTOR.id,
        first.at,
        window.now(),
        if is_felt(window) { Weight::Harm } else { Weight::Notice },
        format!("a message there and back takes {} ms, {} before", human(now), human(before)),
        Evidence::measured("round trip of SELECT 1", now, "ms", sampled("probe"))
            .against(before)
            .at(window.now()),
    )]
}

/// Does the server itself take longer for what it is asked?
fn is_busy(window: &Window) -> bool {
    let mean = |samples: &[Sample]| {
        let all = statement_deltas(samples);
        let calls: i64 = all.iter().map(|d| d.calls).sum();
        let ms: f64 = all.iter().map(|d| d.ms_per_call * d.calls as f64).sum();
        (calls > 0).then(|| ms / calls as f64)
    };
    match (mean(window.recent()), mean(window.baseline())) {
        (Some(now), Some(before)) => now > BUSY_TIMES * before.max(0.02),
        _ => false,
    }
}

/// Do clients get less done?
fn is_felt(window: &Window) -> bool {
    let (now, usual) = (rates(window.last_seconds(4.5)), rates(window.baseline()));
    match (median(now), median(usual)) {
        (Some(now), Some(usual)) => usual >= 5.0 && now < FALLEN_TO * usual,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, sample};

    /// Round trips of so many ms from second 30 on, while so many transactions end each second.
    fn window(ms: f64, per_s: i64) -> Window {
        let mut n = 0;
        let samples = (0..40).map(|s| {
            n += if s < 30 { 100 } else { per_s };
            let mut sample = sample(s, n);
            if s >= 30 {
                sample.probe.as_mut().unwrap().round_trip_ms = Some(ms);
            }
            sample
        });
        Window { samples: samples.collect(), baseline_until: at(29), catalog: None }
    }

    #[test]
    fn a_slow_path_is_harm_when_less_gets_done() {
        let weights = |w: Window| detect(&w).iter().map(|s| s.weight).collect::<Vec<_>>();
        assert_eq!(weights(window(250.0, 10)), [Weight::Harm]);
        assert_eq!(weights(window(250.0, 100)), [Weight::Notice]);
        assert_eq!(weights(window(20.0, 10)), []);
    }

    #[test]
    fn a_server_that_is_slow_itself_is_no_slow_path() {
        let mut window = window(250.0, 10);
        for (i, s) in window.samples.iter_mut().enumerate() {
            let late = i.saturating_sub(30) as f64;
            s.statements = Some(vec![StatementCounters {
                query_id: 1,
                role: "site".into(),
                text: "SELECT 2".into(),
                calls: 100 * i as i64,
                total_ms: 100.0 * i as f64 + 900.0 * late,
                rows: 0,
                blks: 0,
                blks_read: 0,
                squares_ms2: 0.0,
            }]);
        }
        assert_eq!(detect(&window), []);
    }
}
