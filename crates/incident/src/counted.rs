//! Causes of the form "this counter or this kind of log line must have grown".

use crate::facts::{complete, count_log, logged, no_baseline, sampled, seconds_of};
use pgward_model::prelude::*;
use std::collections::BTreeMap;

/// Lines of the log that a cause must leave; none, or no more than before, rules it out.
/// The origin of 3: one stray line is no cause, and a steady rate belongs to normal life.
pub(crate) fn log_lines(
    case: &Case,
    what: &str,
    wanted: impl Fn(&LogEntry) -> bool,
    score: f64,
    n_min: usize,
    says: impl Fn(&LogEntry, usize) -> String,
) -> Verdict {
    if let Some(unknown) = complete(case, "log", "the server log was not read") {
        return unknown;
    }
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    let recent = case.window.recent();
    let (n, per_s) = count_log(recent, &wanted);
    let (_, before) = count_log(case.window.baseline(), &wanted);
    let first = recent.iter().flat_map(|s| &s.log).find(|e| wanted(e));
    match first {
        Some(first) if n >= n_min && per_s > 3.0 * before => Verdict::Likely(Likely::new(
            score,
            says(first, n),
            Evidence::measured(what.to_owned(), per_s, "lines/s", logged(first))
                .against(before)
                .at(case.window.now()),
        )),
        _ => Verdict::ruled_out(
            Evidence::measured(
                what.to_owned(),
                per_s,
                "lines/s",
                Source::new(SourceKind::Log, what),
            )
            .against(before)
            .at(case.window.now()),
        ),
    }
}

/// What fails that did not fail before, told apart by a key.
pub(crate) struct Fresh<'a, K> {
    /// Lines since the onset whose key is new, or three times as frequent as in the baseline.
    pub(crate) lines: Vec<&'a LogEntry>,
    /// Their keys, with lines per second now and in the baseline.
    pub(crate) keys: BTreeMap<K, (f64, f64)>,
    /// Lines since the onset whose key failed all along.
    pub(crate) n_old: usize,
    /// All such lines per second, now and in the baseline.
    pub(crate) all: (f64, f64),
}

/// Three times, as in [`log_lines`]: what trickled before it became a burst is part of it.
pub(crate) fn fresh<'a, K: Ord>(
    window: &'a Window,
    wanted: impl Fn(&LogEntry) -> bool,
    key: impl Fn(&'a LogEntry) -> K,
) -> Fresh<'a, K> {
    let (recent, baseline) = (window.recent(), window.baseline());
    let lines = |samples: &'a [Sample]| {
        samples.iter().flat_map(|s| &s.log).filter(|e| wanted(e)).collect::<Vec<_>>()
    };
    let rates = |samples: &'a [Sample]| {
        let one_per_s = 1.0 / seconds_of(samples);
        let mut rates: BTreeMap<K, f64> = BTreeMap::new();
        lines(samples).into_iter().for_each(|e| *rates.entry(key(e)).or_default() += one_per_s);
        rates
    };
    let (now, before) = (rates(recent), rates(baseline));
    let all = (now.values().sum(), before.values().sum());
    let keys: BTreeMap<K, (f64, f64)> = now
        .into_iter()
        .map(|(k, per_s)| {
            let then = before.get(&k).copied().unwrap_or(0.0);
            (k, (per_s, then))
        })
        .filter(|(_, (per_s, then))| *per_s > 3.0 * then)
        .collect();
    let (fresh, old): (Vec<_>, Vec<_>) =
        lines(recent).into_iter().partition(|e| keys.contains_key(&key(e)));
    Fresh { lines: fresh, keys, n_old: old.len(), all }
}

/// What failed for whom: the server's message names the object.
pub(crate) fn role_and_message(entry: &LogEntry) -> (&str, &str) {
    (entry.role.as_str(), entry.message.as_str())
}

/// A counter of `pg_stat_database` that must grow by at least `n_min` since the onset.
pub(crate) fn counter(
    case: &Case,
    what: &str,
    unit: &str,
    read: impl Fn(&DatabaseCounters) -> i64,
    n_min: i64,
    score: f64,
) -> Verdict {
    if let Some(unknown) = complete(case, "database", "database counters were not read") {
        return unknown;
    }
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    let all = |samples: &[Sample]| -> Vec<i64> {
        samples.iter().filter_map(|s| s.database.as_ref().map(&read)).collect()
    };
    let (recent, baseline) = (all(case.window.recent()), all(case.window.baseline()));
    let grown = |v: &[i64]| v.last().zip(v.first()).map_or(0, |(b, a)| b - a);
    let from = baseline.last().or(recent.first()).copied().unwrap_or(0);
    let n = recent.last().copied().unwrap_or(from) - from;
    let share = recent.len() as f64 / (baseline.len() as f64).max(1.0);
    let usual = grown(&baseline) as f64 * share;
    let evidence =
        Evidence::measured(what.to_owned(), n as f64, unit, sampled("database: pg_stat_database"))
            .against(usual)
            .at(case.window.now());
    if n < n_min || (n as f64) < 3.0 * usual {
        return Verdict::ruled_out(evidence);
    }
    Verdict::Likely(Likely::new(
        score,
        format!("{what}: {} since the onset", human(n as f64)),
        evidence,
    ))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{case, healthy, log};

    /// Likely with `n` such lines, ruled out without, unknown when the log was not read.
    pub(crate) fn check_log(
        judge: fn(&Case) -> Verdict,
        severity: &str,
        state: &str,
        message: &str,
        n: usize,
    ) {
        let mut samples = healthy(35);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        samples.last_mut().unwrap().log = vec![log(34, severity, state, message); n];
        assert!(judge(&case(samples.clone(), 30)).likely().is_some());
        samples.last_mut().unwrap().gaps.push(Gap { sampler: "log".into(), why: "x".into() });
        assert!(matches!(judge(&case(samples, 30)), Verdict::Unknown { .. }));
    }

    /// Likely when the counter grows by `n`, ruled out when it does not, unknown without it.
    pub(crate) fn check_counter(judge: fn(&Case) -> Verdict, set: fn(&mut DatabaseCounters)) {
        let mut samples = healthy(35);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        set(samples.last_mut().unwrap().database.as_mut().unwrap());
        assert!(judge(&case(samples.clone(), 30)).likely().is_some());
        samples.last_mut().unwrap().gaps.push(Gap { sampler: "database".into(), why: "x".into() });
        assert!(matches!(judge(&case(samples, 30)), Verdict::Unknown { .. }));
    }
}
