//! When a volume will be full and a key at its end, told from how they went lately.

use pgward_model::prelude::*;

/// How the volume of the data directory fills.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Disk {
    pub(crate) free: f64,
    pub(crate) total: f64,
    /// Bytes lost a second; at most 0 where it does not fill.
    pub(crate) per_s: f64,
}

/// A trend is what all four parts of this time show: WAL comes in steps of 16 MB, batches of
/// some seconds come and go.
const TREND_S: f64 = 16.0;
const PARTS: usize = 4;
/// Five minutes: from the alarm to the keyboard.
const SOON_S: f64 = 300.0;
const FREE_PERCENT_MAX: f64 = 50.0;

impl Disk {
    /// Seconds until it is full, where it fills.
    pub(crate) fn full_in_s(&self) -> Option<f64> {
        (self.per_s > 0.0).then(|| self.free / self.per_s)
    }

    /// Is it full before a person is at a keyboard? Above half of it free, a burst that would
    /// fill the rest has never been seen to go on.
    pub(crate) fn is_soon(&self) -> bool {
        self.full_in_s().is_some_and(|s| s <= SOON_S) && self.free_percent() < FREE_PERCENT_MAX
    }

    /// Percent of the volume that is free.
    pub(crate) fn free_percent(&self) -> f64 {
        100.0 * self.free / self.total.max(1.0)
    }
}

/// The volume as the last of these samples saw it, and its trend where each part of the last
/// seconds went down.
pub(crate) fn disk(samples: &[Sample]) -> Option<Disk> {
    trend(samples, TREND_S)
}

/// As [`disk`], over so many seconds.
pub(crate) fn trend(samples: &[Sample], over_s: f64) -> Option<Disk> {
    let last_at = samples.last()?.at;
    // The host is looked at every two seconds.
    let n = samples.partition_point(|s| seconds_between(s.at, last_at) > over_s + 2.5);
    let run: Vec<(Timestamp, HostSample)> =
        samples.get(n..)?.iter().filter_map(|s| Some((s.at, s.host?))).collect();
    let (first, last) = (run.first()?, run.last()?);
    let seconds = seconds_between(first.0, last.0);
    let mark =
        |part: usize| run.get(part * (run.len() - 1) / PARTS).map(|(_, h)| h.disk_free_bytes);
    let marks: Vec<f64> = (0..=PARTS).filter_map(mark).collect();
    let falls = marks.windows(2).all(|pair| matches!(pair, [a, b] if a > b));
    let lost = first.1.disk_free_bytes - last.1.disk_free_bytes;
    let per_s = if falls && seconds >= over_s * 0.75 { lost / seconds } else { 0.0 };
    Some(Disk { free: last.1.disk_free_bytes, total: last.1.disk_total_bytes, per_s })
}

/// The volume when it was nearest to full since the baseline ended, by trend or by what was free.
pub(crate) fn worst_disk(window: &Window) -> Option<Disk> {
    let n_baseline = window.baseline().len();
    let prefixes = (n_baseline + 1..=window.samples.len()).filter_map(|n| window.samples.get(..n));
    let all: Vec<Disk> = prefixes.filter_map(disk).collect();
    let soonest = all.iter().filter(|d| d.is_soon());
    let soonest = soonest.min_by(|a, b| left_s(a).total_cmp(&left_s(b)));
    soonest.or(all.iter().min_by(|a, b| a.free.total_cmp(&b.free))).copied()
}

fn left_s(disk: &Disk) -> f64 {
    disk.full_in_s().unwrap_or(f64::INFINITY)
}

/// What a sampler has seen counts until it looks again: one that costs much looks once a minute.
pub(crate) const SEEN_S: f64 = 65.0;

/// The newest value that a sampler which does not run every tick has brought.
pub(crate) fn newest<T>(samples: &[Sample], of: impl Fn(&Sample) -> Option<T>) -> Option<T> {
    samples.iter().rev().find_map(of)
}

/// Ids a sequence gives in a second, over all samples that show it.
pub(crate) fn ids_per_s(samples: &[Sample], key: &KeyLimit) -> Option<f64> {
    let value = |s: &Sample| {
        let same = |k: &&KeyLimit| k.sequence == key.sequence;
        Some((s.at, s.keys.as_ref()?.iter().find(same)?.last_value))
    };
    let first = samples.iter().find_map(value)?;
    let last = samples.iter().rev().find_map(value)?;
    let seconds = seconds_between(first.0, last.0);
    (seconds >= 5.0).then(|| (last.1 - first.1) as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy};

    fn window(free: impl Fn(i64) -> f64) -> Window {
        let mut samples = healthy(40);
        for (s, sample) in (0..).zip(&mut samples) {
            let (disk_free_bytes, disk_total_bytes) = (free(s), 1000.0);
            sample.host =
                Some(HostSample { disk_free_bytes, disk_total_bytes, ..HostSample::default() });
        }
        Window { samples, baseline_until: at(30), catalog: None }
    }

    #[test]
    fn a_steady_fall_is_a_trend_and_a_step_is_none() {
        let steady = disk(&window(|s| 900.0 - 10.0 * s as f64).samples).unwrap();
        assert!((steady.full_in_s().unwrap() - 51.0).abs() < 0.1, "{steady:?}");
        assert_eq!(
            disk(&window(|s| if s > 30 { 400.0 } else { 900.0 }).samples).unwrap().per_s,
            0.0
        );
        assert!(disk(&healthy(9)).is_none());
        let over = window(|s| 600.0 - 10.0 * (s.min(35)) as f64);
        assert!(worst_disk(&over).unwrap().is_soon());
    }
}
