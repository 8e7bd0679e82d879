//! What became of the requests: a histogram per second, and the slow and failed ones by name.

use hdrhistogram::Histogram;
use jiff::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// One finished request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub start: Timestamp,
    pub latency: Duration,
    /// Why it failed: SQLSTATE, or [`LOST`] when the connection went or never came.
    pub failed: Option<String>,
}

/// Stands where a failed request has no SQLSTATE: the connection was lost or refused.
pub const LOST: &str = "connection";

/// From here on people notice that they wait (Nielsen, Usability Engineering, 1993).
pub const NOTICED: Duration = Duration::from_millis(100);

/// Half an hour; no drill lasts longer. About 5 kB each.
const SECONDS_MAX: usize = 1_800;

/// Slow and failed requests kept by name, about 10 MB; beyond it only the counts go on.
const SLOW_MAX: usize = 100_000;

/// Latencies are kept to 1% (two digits), up to two minutes.
const LATENCY_MAX_US: u64 = 120_000_000;

/// The requests that one session of the load finished.
pub(crate) struct Record {
    inner: Mutex<Inner>,
}

struct Inner {
    /// Ascending, without gaps.
    seconds: VecDeque<Second>,
    slow: VecDeque<Request>,
}

struct Second {
    /// Unix second in which the requests ended.
    at: i64,
    n_failed: u64,
    latency_us: Histogram<u32>,
    errors: BTreeMap<String, u64>,
}

impl Second {
    fn new(at: i64) -> Self {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_MAX_US, 2)
            .expect("the bounds are constants that the histogram accepts");
        Self { at, n_failed: 0, latency_us, errors: BTreeMap::new() }
    }
}

/// Requests of one session over a time.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionReport {
    pub name: String,
    pub n_total: u64,
    pub n_failed: u64,
    /// Requests, failed ones too, per second.
    pub per_s: f64,
    /// Of requests that did not fail.
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    /// Failed requests by SQLSTATE.
    pub errors: BTreeMap<String, u64>,
}

/// Requests that ended in one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Count {
    pub(crate) n_total: u64,
    pub(crate) n_harmed: u64,
}

impl Record {
    pub(crate) fn new() -> Self {
        let inner = Inner { seconds: VecDeque::new(), slow: VecDeque::new() };
        Self { inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn add(&self, request: Request) {
        let end = end_of(&request);
        let mut inner = self.lock();
        let Some(second) = inner.second(end.as_second()) else { return };
        match &request.failed {
            Some(state) => {
                second.n_failed += 1;
                *second.errors.entry(state.clone()).or_insert(0) += 1;
            }
            None => second.latency_us.saturating_record(micros(request.latency).max(1)),
        }
        if request.failed.is_some() || request.latency >= NOTICED {
            if inner.slow.len() == SLOW_MAX {
                // The first harmed requests are the ones that are asked for.
                return;
            }
            inner.slow.push_back(request);
        }
    }

    /// Failed and slow requests that `keep` wants, in the order of their end.
    pub(crate) fn slow(&self, keep: impl Fn(&Request) -> bool) -> Vec<Request> {
        self.lock().slow.iter().filter(|r| keep(r)).cloned().collect()
    }

    /// Per second from `from` to before `to`: requests that ended, and how many of them
    /// failed or took longer than `bound`.
    pub(crate) fn counts(&self, from: i64, to: i64, bound: Duration) -> BTreeMap<i64, Count> {
        let inner = self.lock();
        let wanted = inner.seconds.iter().filter(|s| (from..to).contains(&s.at));
        wanted
            .map(|s| {
                let slow = s.latency_us.count_between(micros(bound) + 1, LATENCY_MAX_US);
                let n_total = s.latency_us.len() + s.n_failed;
                (s.at, Count { n_total, n_harmed: slow + s.n_failed })
            })
            .collect()
    }

    /// The first second there is a record of, and the one after the last.
    pub(crate) fn span(&self) -> Option<(i64, i64)> {
        let inner = self.lock();
        Some((inner.seconds.front()?.at, inner.seconds.back()?.at + 1))
    }

    pub(crate) fn report(&self, name: &str, from: i64, to: i64) -> SessionReport {
        let inner = self.lock();
        let mut all = Second::new(from);
        for second in inner.seconds.iter().filter(|s| (from..to).contains(&s.at)) {
            all.latency_us += &second.latency_us;
            all.n_failed += second.n_failed;
            for (state, n) in &second.errors {
                *all.errors.entry(state.clone()).or_insert(0) += n;
            }
        }
        let ms = |quantile| all.latency_us.value_at_quantile(quantile) as f64 / 1000.0;
        let n_total = all.latency_us.len() + all.n_failed;
        SessionReport {
            name: name.to_owned(),
            n_total,
            n_failed: all.n_failed,
            per_s: n_total as f64 / (to - from).max(1) as f64,
            p50_ms: ms(0.50),
            p95_ms: ms(0.95),
            p99_ms: ms(0.99),
            errors: all.errors,
        }
    }
}

impl Inner {
    /// The record of that second, made when needed; `None`: too long ago.
    fn second(&mut self, at: i64) -> Option<&mut Second> {
        let first = self.seconds.front().map_or(at, |s| s.at);
        let mut next = self.seconds.back().map_or(at, |s| s.at + 1);
        while next <= at {
            self.seconds.push_back(Second::new(next));
            next += 1;
            if self.seconds.len() > SECONDS_MAX {
                self.seconds.pop_front();
            }
        }
        let first = self.seconds.front().map_or(first, |s| s.at);
        self.seconds.get_mut(usize::try_from(at - first).ok()?)
    }
}

pub(crate) fn end_of(request: &Request) -> Timestamp {
    let latency = jiff::SignedDuration::try_from(request.latency).unwrap_or_default();
    request.start.checked_add(latency).unwrap_or(request.start)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What a client does right now: the start of its request, or nothing.
#[derive(Default)]
pub(crate) struct InFlight(AtomicI64);

impl InFlight {
    pub(crate) fn begin(&self, at: Timestamp) {
        self.0.store(at.as_microsecond(), Ordering::SeqCst);
    }

    pub(crate) fn end(&self) {
        self.0.store(0, Ordering::SeqCst);
    }

    pub(crate) fn since(&self) -> Option<Timestamp> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            us => Timestamp::from_microsecond(us).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
    }

    fn request(start_ms: i64, latency_ms: u64, failed: Option<&str>) -> Request {
        let latency = Duration::from_millis(latency_ms);
        Request { start: at(start_ms), latency, failed: failed.map(str::to_owned) }
    }

    #[test]
    fn requests_are_counted_in_the_second_they_end() {
        let record = Record::new();
        for r in [
            request(0, 5, None),
            request(900, 200, None),
            request(3_100, 7, Some("40P01")),
            request(2_000, 5, None), // ended earlier than the one before it
        ] {
            record.add(r);
        }
        let first = 1_700_000_000;
        let counts = record.counts(first, first + 10, Duration::from_millis(100));
        let list: Vec<_> = counts.values().map(|c| (c.n_total, c.n_harmed)).collect();
        assert_eq!(list, [(1, 0), (1, 1), (1, 0), (1, 1)]);
        assert_eq!(record.span(), Some((first, first + 4)));
        let report = record.report("site", first, first + 4);
        assert_eq!((report.n_total, report.n_failed, report.per_s), (4, 1, 1.0));
        assert_eq!(report.errors["40P01"], 1);
        assert!((195.0..205.0).contains(&report.p99_ms), "{}", report.p99_ms);
        assert_eq!(record.slow(|_| true).len(), 2);
    }

    #[test]
    fn memory_is_bounded() {
        let record = Record::new();
        for second in 0..2_500 {
            record.add(request(second * 1_000, 1, None));
        }
        let (from, to) = record.span().unwrap();
        assert_eq!(to - from, SECONDS_MAX as i64);
        record.add(request(0, 1, None)); // too old to be kept, and no harm
        for _ in 0..SLOW_MAX + 10 {
            record.add(request(2_400_000, 1, Some("08006")));
        }
        assert_eq!(record.slow(|_| true).len(), SLOW_MAX);
    }
}
