//! Transactions per second collapse.

use super::{BASELINE_S_MIN, Detector};
use crate::facts::{median, sampled};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "throughput_drop",
    title: "Transactions per second fall below 40% of their baseline",
    rule: "every second of the last 4 s below 40% of the median of the baseline (eight seconds of \
           rates or more, at least 5 transactions/s: a quiet night is no outage), more than four \
           deviations below it, and below 80% of its slowest seconds (5%). It is harm when clients \
           are held up: for three samples in a row more of them wait for a lock than ever in the \
           baseline, or statements last 2 s that did not, or each transaction reads three times \
           as many rows while half as many sessions again are at work. Else a notice: clients may \
           simply ask for less, and a checkpoint or a busy disk slows all down and passes",
    detect,
};

/// What the last seconds must show; two whole intervals more than a hiccup.
const LAST_S: f64 = 4.5;
const FALLEN_TO: f64 = 0.4;
/// Robust standard deviations (1.48 times the median deviation) that noise hardly reaches.
const DEVIATIONS: f64 = 4.0;
const N_RATES_MIN: usize = 8; // of the ten seconds that are the shortest baseline
/// A statement that lasts this long while the rate is down is held up, as in a lock queue.
const HUNG_S: f64 = crate::forest::QUEUE_S;

fn detect(window: &Window) -> Vec<Symptom> {
    if window.baseline_s() < BASELINE_S_MIN || window.recent().len() < 4 {
        return Vec::new();
    }
    let usual = rates(window.baseline());
    let last = window.last_seconds(LAST_S);
    let (now, Some(from)) = (rates(last), last.first()) else { return Vec::new() };
    let Some(before) = median(usual.clone()).filter(|m| *m >= 5.0) else { return Vec::new() };
    if usual.len() < N_RATES_MIN || now.len() < 3 || !is_fallen(&now, &usual, before) {
        return Vec::new();
    }
    let per_s = now.iter().sum::<f64>() / now.len() as f64;
    vec![Symptom::new(
        DETECTOR.id,
        from.at,
        window.now(),
        if is_held_up(window) { Weight::Harm } else { Weight::Notice },
        format!("{} transactions/s, {} before", human(per_s), human(before)),
        Evidence::measured(
            "transactions per second",
            per_s,
            "transactions/s",
            sampled("database: pg_stat_database"),
        )
        .against(before)
        .at(window.now()),
    )]
}

/// Transactions per second from each sample to the next; none across a reset of statistics.
pub(super) fn rates(samples: &[Sample]) -> Vec<f64> {
    let counted = |s: &Sample| s.database.map(|d| (s.at, d.xact_commit + d.xact_rollback));
    let counts: Vec<(Timestamp, i64)> = samples.iter().filter_map(counted).collect();
    let rate = |pair: &[(Timestamp, i64)]| match pair {
        [(t0, n0), (t1, n1)] if n1 >= n0 && t1 > t0 => {
            Some((n1 - n0) as f64 / seconds_between(*t0, *t1))
        }
        _ => None,
    };
    counts.windows(2).filter_map(rate).collect()
}

/// Is each of these rates far below the usual ones, further than they vary by themselves?
fn is_fallen(now: &[f64], usual: &[f64], before: f64) -> bool {
    let deviation = median(usual.iter().map(|r| (r - before).abs()).collect()).unwrap_or(0.0);
    let mut slowest = usual.to_vec();
    slowest.sort_by(f64::total_cmp);
    let slow = slowest.get(slowest.len() / 20).copied().unwrap_or(0.0);
    let bound = (FALLEN_TO * before).min(before - DEVIATIONS * 1.48 * deviation).min(0.8 * slow);
    now.iter().all(|rate| *rate <= bound)
}

/// Do clients wait, or does each transaction do more work than before?
fn is_held_up(window: &Window) -> bool {
    let (recent, baseline) = (window.last_seconds(LAST_S), window.baseline());
    let last: Vec<&Sample> = recent.iter().rev().take(3).collect();
    let more = |count: fn(&Sample) -> usize, spare: f64| {
        let most = baseline.iter().map(count).max().unwrap_or(0) as f64;
        last.len() == 3 && last.iter().all(|s| count(s) as f64 > spare * most + (spare - 1.0))
    };
    let at_work = |samples: &[Sample]| {
        samples.iter().map(n_at_work).sum::<usize>() as f64 / (samples.len() as f64).max(1.0)
    };
    let crowded = at_work(recent) > 1.5 * at_work(baseline) + 1.0;
    let heavier = match (rows_per_xact(recent), rows_per_xact(baseline)) {
        (Some(now), Some(before)) => now >= 3.0 * before.max(1.0),
        _ => false,
    };
    more(n_waiting, 1.0) || more(n_hung, 2.0) || (crowded && heavier)
}

fn n_waiting(sample: &Sample) -> usize {
    sample.sessions.iter().filter(|s| !s.blocked_by.is_empty()).count()
}

fn n_at_work(sample: &Sample) -> usize {
    sample.sessions.iter().filter(|s| s.state != "idle").count()
}

fn n_hung(sample: &Sample) -> usize {
    let is_hung = |s: &&SessionSample| s.state == "active" && s.runs_s(sample.at) >= HUNG_S;
    sample.sessions.iter().filter(is_hung).count()
}

/// Rows that scans returned for each transaction; vacuum, analyze and checkpoints return none.
fn rows_per_xact(samples: &[Sample]) -> Option<f64> {
    let mut counted = samples.iter().filter_map(|s| s.database);
    let (first, last) = (counted.next()?, counted.next_back()?);
    let n = (last.xact_commit + last.xact_rollback) - (first.xact_commit + first.xact_rollback);
    (n > 0).then(|| (last.tup_returned - first.tup_returned) as f64 / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, sample, session};

    /// Seconds with these transactions each, the baseline until second 30; ten clients
    /// that all run short statements once it is over.
    fn run(per_s: impl Fn(i64) -> i64) -> Window {
        let mut n = 0;
        let samples = (0..36).map(|s| {
            n += per_s(s);
            let mut sample = sample(s, n);
            sample.sessions = (0..10).map(|pid| client(pid, s, s > 30)).collect();
            sample
        });
        Window { samples: samples.collect(), baseline_until: at(30), catalog: None }
    }

    fn client(pid: Pid, s: i64, busy: bool) -> SessionSample {
        let mut client = session(pid, if busy { "active" } else { "idle" }, &[]);
        client.query_start = Some(at(s));
        client
    }

    fn weight(window: &Window) -> Option<Weight> {
        detect(window).first().map(|s| s.weight)
    }

    #[test]
    fn a_slow_disk_that_holds_nobody_up_is_a_notice() {
        assert_eq!(weight(&run(|s| if s > 30 { 136 } else { 487 })), Some(Weight::Notice));
    }

    #[test]
    fn noise_is_nothing() {
        let one_good_second = |s| if s > 30 && s != 33 { 136 } else { 487 };
        assert_eq!(weight(&run(one_good_second)), None);
        let bursts = |s| if s > 30 || s % 3 == 0 { 100 } else { 487 };
        assert_eq!(weight(&run(bursts)), None);
        let night = |s| if s > 30 { 1 } else { 4 };
        assert_eq!(weight(&run(night)), None);
    }

    #[test]
    fn one_second_of_a_stall_before_does_not_hide_a_standstill() {
        let stalled_once = |s| if s > 30 || s == 12 { 1 } else { 487 };
        let mut window = run(stalled_once);
        let samples = std::mem::take(&mut window.samples);
        // A second in thirty is above 5% of rates only in a longer baseline.
        let earlier = (-30..0).map(|s| sample(s, (s + 30) * 487 - 30 * 487));
        window.samples = earlier.chain(samples).collect();
        assert_eq!(weight(&window), Some(Weight::Notice));
    }

    #[test]
    fn waiting_hanging_and_heavier_transactions_are_harm() {
        let standstill = run(|s| if s > 30 { 1 } else { 100 });
        let with = |change: fn(&mut Sample, i64)| {
            let mut window = standstill.clone();
            let recent = window.samples.iter_mut().zip(0..).filter(|(_, s)| *s > 30);
            recent.for_each(|(sample, s)| change(sample, s));
            weight(&window)
        };
        assert_eq!(with(|_, _| ()), Some(Weight::Notice));
        let waits = |sample: &mut Sample, _| {
            sample.sessions.extend([session(11, "active", &[]), session(12, "active", &[11])]);
            sample.sessions.iter_mut().for_each(|s| s.query_start = Some(sample.at));
        };
        assert_eq!(with(waits), Some(Weight::Harm));
        let hangs = |sample: &mut Sample, _| {
            sample.sessions.iter_mut().for_each(|s| s.query_start = Some(at(30)));
        };
        assert_eq!(with(hangs), Some(Weight::Harm));
        let scans = |sample: &mut Sample, s: i64| {
            sample.database.as_mut().unwrap().tup_returned += 1000 * s;
        };
        assert_eq!(with(scans), Some(Weight::Harm));
    }
}
