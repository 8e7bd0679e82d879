//! When each sampler runs: every period, or less often where it is dear, so that watching takes a
//! small part of the time.

use crate::samplers::Sampler;
use jiff::Timestamp;
use pgward_model::prelude::seconds_between;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A sampler takes at most this part of the time while nothing is wrong.
const SHARE: f64 = 0.02;
/// Nor does a very dear one wait longer, s.
const WAIT_MAX_S: f64 = 60.0;
/// In an incident we must look: a change read half a minute late is a wrong theory meanwhile.
const SHARE_ALARMED: f64 = 0.1;
/// Causes are ruled out from 10 s of silence on, so everything is read at least that often.
const WAIT_ALARMED_MAX_S: f64 = 5.0;
const RUNS_KEPT: usize = 5;
/// Ticks come a little early or late.
const EARLY_S: f64 = 0.3;

/// What the samplers' last runs took.
#[derive(Debug, Default)]
pub(crate) struct Pace(BTreeMap<&'static str, Runs>);

#[derive(Debug)]
struct Runs {
    last: Timestamp,
    /// Without the first run, which reads what later ones compare with.
    took_s: VecDeque<f64>,
}

impl Pace {
    pub(crate) fn is_due(&self, sampler: &Sampler, at: Timestamp, alarmed: bool) -> bool {
        let waited = |runs: &Runs| seconds_between(runs.last, at) + EARLY_S;
        self.0.get(sampler.id).is_none_or(|runs| waited(runs) >= runs.wait_s(sampler, alarmed))
    }

    pub(crate) fn ran(&mut self, sampler: &Sampler, at: Timestamp, took: Duration) {
        let Some(runs) = self.0.get_mut(sampler.id) else {
            self.0.insert(sampler.id, Runs { last: at, took_s: VecDeque::new() });
            return;
        };
        runs.last = at;
        runs.took_s.push_back(took.as_secs_f64());
        if runs.took_s.len() > RUNS_KEPT {
            runs.took_s.pop_front();
        }
    }

    /// Everything is due: the clock was set.
    pub(crate) fn reset(&mut self) {
        self.0.clear();
    }
}

impl Runs {
    /// Seconds from one run to the next. The cheapest of the last runs counts: a large catalog
    /// makes all of them dear, an outage only some.
    fn wait_s(&self, sampler: &Sampler, alarmed: bool) -> f64 {
        let cheapest = self.took_s.iter().copied().min_by(f64::total_cmp).unwrap_or(0.0);
        let dear_s = match alarmed {
            true => (cheapest / SHARE_ALARMED).min(WAIT_ALARMED_MAX_S),
            false => (cheapest / SHARE).min(WAIT_MAX_S),
        };
        sampler.period_s.max(dear_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DDL: Sampler = Sampler { id: "ddl", period_s: 1.0, rights: "", take: |_, _| Ok(()) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    /// Seconds from the last of these runs, one a second, to the next.
    fn waits(took_ms: &[u64], alarmed: bool) -> i64 {
        let mut pace = Pace::default();
        for (s, ms) in (0..).zip(took_ms) {
            assert!(s > 0 || pace.is_due(&DDL, at(0), alarmed));
            pace.ran(&DDL, at(s), Duration::from_millis(*ms));
        }
        let last = i64::try_from(took_ms.len()).unwrap() - 1;
        (1..100).find(|s| pace.is_due(&DDL, at(last + s), alarmed)).unwrap()
    }

    #[test]
    fn a_dear_sampler_runs_less_often_and_a_dear_beginning_counts_for_nothing() {
        assert_eq!(waits(&[3], false), 1);
        assert_eq!(waits(&[900], false), 1);
        assert_eq!(waits(&[900, 3], false), 1);
        assert_eq!(waits(&[3, 200], false), 10);
        assert_eq!(waits(&[3, 200, 3], false), 1);
        assert_eq!(waits(&[3, 9_000, 9_000], false), 60);
    }

    #[test]
    fn in_an_incident_it_is_never_late() {
        assert_eq!(waits(&[3, 200], true), 2);
        assert_eq!(waits(&[3, 9_000, 9_000], true), 5);
    }
}
