//! One statement takes many times as long as before.

use super::{BASELINE_S_MIN, Detector};
use crate::facts::{cut, is_same_work, sampled};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "statement_slow",
    title: "A statement takes five times as long as before, or twice in a surge of calls",
    rule: "mean time at least 5 times the baseline of that statement (twenty calls or more), and \
           the added time fills 0.3 of a session; at once when the blocks it reads have grown \
           threefold too (its work has changed), else in two intervals in a row (noise of a busy \
           machine is shorter). Twice is enough, in two intervals in a row of twenty calls or more, \
           when it is sent three times as often at the same work each and fills two sessions \
           more: then the demand has changed. A level that has held for six minutes, and that no \
           cause explains, is taken for the usual one",
    detect,
};

const TIMES: f64 = 5.0; // half of the tenfold slowdown that must be alarmed within 30 s
const ADDED_SESSIONS: f64 = 0.3;

/// What is sent so many times as often, and is slower for it, is no noise of the machine.
const SURGE: f64 = 3.0;
/// Of one interval: fewer is a report that two people asked for.
const SURGE_CALLS: i64 = 20;
const SURGE_TIMES: f64 = 2.0;
/// More than one client can fill alone: a batch that has its usual statement in a loop.
const SURGE_SESSIONS: f64 = 2.0;

/// A level that has held this long is the usual one: longer than the five minutes between two
/// checkpoints (`checkpoint_timeout`), so that none of them makes it.
pub(super) const STEADY_S: f64 = 360.0;
const STEADY_PARTS: u32 = 6;
/// Between the fastest and the slowest minute; a level that rises further is none yet.
const STEADY_TIMES: f64 = 1.5;

fn detect(window: &Window) -> Vec<Symptom> {
    slow_now(window).iter().map(|(since, now, old)| symptom(window, *since, now, old)).collect()
}

/// The statements that are slow now, each with its new level and the old, once all of them
/// have been steady for [`STEADY_S`]; `None` before that, and when none is slow.
pub(super) fn settled(window: &Window) -> Option<Vec<String>> {
    let run = window.last_seconds(STEADY_S);
    let first = run.first()?;
    let seconds = seconds_between(first.at, window.now());
    if first.at <= window.baseline_until || seconds < STEADY_S - 5.0 {
        return None;
    }
    let part_s = seconds / f64::from(STEADY_PARTS);
    let parts: Vec<Vec<StatementDelta>> = (0..STEADY_PARTS)
        .map(|i| {
            let until = |n: u32| {
                run.partition_point(|s| seconds_between(first.at, s.at) < f64::from(n) * part_s)
            };
            statement_deltas(run.get(until(i)..until(i + 1)).unwrap_or(&[]))
        })
        .collect();
    let slow = slow_now(window);
    let levels = slow.iter().map(|(_, now, old)| {
        let times = parts.iter().map(|part| same(part, now).map(|d| d.ms_per_call));
        let times: Vec<f64> = times.collect::<Option<_>>()?;
        let least = times.iter().copied().fold(f64::INFINITY, f64::min);
        let most = times.iter().copied().fold(0.0, f64::max);
        let mean = times.iter().sum::<f64>() / f64::from(STEADY_PARTS);
        let (was, is) = (human(old.ms_per_call), human(mean));
        (most <= STEADY_TIMES * least)
            .then(|| format!("{was} → {is} ms per call of {}", cut(&now.text, 60)))
    });
    levels.collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
}

/// What is slow: since when, its present and its usual rates.
fn slow_now(window: &Window) -> Vec<(Timestamp, StatementDelta, StatementDelta)> {
    if window.baseline_s() < BASELINE_S_MIN {
        return Vec::new();
    }
    let counted: Vec<&Sample> =
        window.samples.iter().filter(|s| s.statements.is_some()).rev().take(3).collect();
    let [last, middle, rest @ ..] = counted.as_slice() else { return Vec::new() };
    // A server that is short of processors is asked less often, and the baseline follows the
    // present: what is compared must not be in what it is compared with.
    let first = rest.first().unwrap_or(middle);
    let until = window.baseline().partition_point(|s| s.at <= first.at);
    let before = statement_deltas(window.baseline().get(..until).unwrap_or(&[]));
    let latest = statement_deltas(&[(*middle).clone(), (*last).clone()]);
    let earlier = rest
        .first()
        .map(|first| statement_deltas(&[(*first).clone(), (*middle).clone()]))
        .unwrap_or_default();
    latest
        .into_iter()
        .filter_map(|now| {
            let old = same(&before, &now).filter(|b| b.calls >= 20)?;
            let confirmed = now.blks_per_call > 3.0 * old.blks_per_call.max(1.0)
                || same(&earlier, &now).is_some_and(|e| is_slow(e, old));
            let surge = |d: &StatementDelta| is_surge(d, old);
            let slow = (is_slow(&now, old) && confirmed)
                || (surge(&now) && same(&earlier, &now).is_some_and(surge));
            slow.then(|| (middle.at, now, old.clone()))
        })
        .collect()
}

fn same<'a>(deltas: &'a [StatementDelta], of: &StatementDelta) -> Option<&'a StatementDelta> {
    deltas.iter().find(|d| d.query_id == of.query_id && d.role == of.role)
}

fn is_slow(now: &StatementDelta, before: &StatementDelta) -> bool {
    let added_ms = now.ms_per_call - before.ms_per_call;
    now.ms_per_call >= TIMES * before.ms_per_call.max(0.02)
        && added_ms * now.calls_per_s / 1000.0 >= ADDED_SESSIONS
}

/// Do many more clients send it, each with the work of before, and wait for one another?
fn is_surge(now: &StatementDelta, before: &StatementDelta) -> bool {
    let sessions = |d: &StatementDelta| d.ms_per_call * d.calls_per_s / 1000.0;
    now.calls >= SURGE_CALLS
        && now.calls_per_s >= SURGE * before.calls_per_s
        && is_same_work(now, before)
        && now.ms_per_call >= SURGE_TIMES * before.ms_per_call.max(0.02)
        && sessions(now) - sessions(before) >= SURGE_SESSIONS
}

fn symptom(
    window: &Window,
    since: Timestamp,
    now: &StatementDelta,
    before: &StatementDelta,
) -> Symptom {
    Symptom::new(
        DETECTOR.id,
        since,
        window.now(),
        Weight::Harm,
        format!(
            "{} ms per call, {} before: {}",
            human(now.ms_per_call),
            human(before.ms_per_call),
            cut(&now.text, 60)
        ),
        Evidence::measured(
            "mean time of the statement",
            now.ms_per_call,
            "ms/call",
            sampled("statements: pg_stat_statements"),
        )
        .against(before.ms_per_call)
        .at(window.now()),
    )
    .and(
        Evidence::measured(
            "blocks it touches",
            now.blks_per_call,
            "blocks/call",
            sampled("statements: pg_stat_statements"),
        )
        .against(before.blks_per_call)
        .at(window.now()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy};

    fn window(ms_after: f64, blks_after: i64) -> Window {
        run(40, |_| ms_after, blks_after)
    }

    /// 100 calls a second, which take 0.1 ms until second 35 and `ms_after(second)` then.
    fn run(seconds: i64, ms_after: impl Fn(usize) -> f64, blks_after: i64) -> Window {
        let mut samples = healthy(seconds);
        let (mut ms, mut blks) = (0.0, 0);
        for (i, sample) in samples.iter_mut().enumerate() {
            let slow = i > 35;
            ms += 100.0 * if slow { ms_after(i) } else { 0.1 };
            blks += 100 * if slow { blks_after } else { 4 };
            sample.statements = Some(vec![StatementCounters {
                query_id: 1,
                role: "site".to_owned(),
                text: "SELECT 1".into(),
                calls: 100 * i as i64,
                total_ms: ms,
                rows: 0,
                blks,
                blks_read: 0,
                squares_ms2: 0.0,
            }]);
        }
        Window { samples, baseline_until: at(35), catalog: None }
    }

    #[test]
    fn a_spoiled_plan_is_seen() {
        assert_eq!(detect(&window(30.0, 2000)).len(), 1);
    }

    #[test]
    fn twice_as_slow_is_no_alarm() {
        assert_eq!(detect(&window(0.2, 4)), []);
    }

    #[test]
    fn a_burst_of_a_few_slow_calls_is_no_surge() {
        // Every 60 s one call is made at once by each of so many workers.
        for (n_workers, seen) in [(3, 0), (10, 0)] {
            let mut burst = window(0.1, 4);
            for (i, sample) in (0..).zip(&mut burst.samples) {
                let s = sample.statements.as_mut().unwrap().first_mut().unwrap();
                let bursts = i64::from(i > 5) + i64::from(i > 38);
                s.calls = 20 * i64::from(i > 0) + n_workers * bursts;
                s.blks = 4 * s.calls;
                s.total_ms = 400.0 * s.calls as f64 * if bursts > 1 { 2.5 } else { 1.0 };
            }
            assert_eq!(detect(&burst).len(), seen, "{n_workers}");
        }
    }

    #[test]
    fn three_times_as_slow_in_a_surge_of_the_same_calls_is_seen() {
        for (n_more, blks, seen) in [(900, 4, 1), (900, 40, 0), (100, 4, 0)] {
            let mut window = window(12.0, 4);
            let usual_ms = |calls: i64| calls as f64 * 4.0;
            for (i, sample) in (0..).zip(&mut window.samples) {
                let (all, more) = (100 * i, n_more * (i - 35_i64).max(0));
                let s = sample.statements.as_mut().unwrap().first_mut().unwrap();
                s.calls = all + more;
                s.blks = 4 * all + blks * more;
                s.total_ms = usual_ms(all) + 3.0 * usual_ms(more);
            }
            assert_eq!(detect(&window).len(), seen, "{n_more} more with {blks} blocks each");
        }
    }

    #[test]
    fn a_server_that_answers_late_is_not_lost_behind_its_baseline() {
        let mut late = run(60, |_| 30.0, 4);
        for (i, sample) in late.samples.iter_mut().enumerate() {
            if i > 35 && i % 9 != 0 {
                sample.statements = None;
            }
        }
        late.baseline_until = at(53);
        assert_eq!(detect(&late).len(), 1);
    }

    #[test]
    fn a_level_that_holds_settles_and_one_that_rises_does_not() {
        let told = vec!["0.1 → 30 ms per call of SELECT 1".to_owned()];
        assert_eq!(settled(&run(440, |_| 30.0, 2000)), Some(told));
        assert_eq!(settled(&run(300, |_| 30.0, 2000)), None); // too young
        assert_eq!(settled(&run(440, |s| s as f64, 2000)), None); // rises
        assert_eq!(settled(&run(440, |_| 0.1, 4)), None); // not slow at all
    }
}
