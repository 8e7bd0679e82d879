//! One statement takes many times as long as before.

use super::{BASELINE_S_MIN, Detector};
use crate::facts::{cut, sampled};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "statement_slow",
    title: "A statement takes at least five times as long as before",
    rule: "mean time at least 5 times the baseline of that statement (twenty calls or more), and \
           the added time fills 0.3 of a session; at once when the blocks it reads have grown \
           threefold too (its work has changed), else in two intervals in a row (noise of a busy \
           machine is shorter)",
    detect,
};

const TIMES: f64 = 5.0; // half of the tenfold slowdown that must be alarmed within 30 s
const ADDED_SESSIONS: f64 = 0.3;

fn detect(window: &Window) -> Vec<Symptom> {
    if window.baseline_s() < BASELINE_S_MIN {
        return Vec::new();
    }
    let before = statement_deltas(window.baseline());
    let counted: Vec<&Sample> =
        window.samples.iter().filter(|s| s.statements.is_some()).rev().take(3).collect();
    let [last, middle, rest @ ..] = counted.as_slice() else { return Vec::new() };
    if middle.at < window.baseline_until {
        return Vec::new();
    }
    let latest = statement_deltas(&[(*middle).clone(), (*last).clone()]);
    let earlier = rest
        .first()
        .map(|first| statement_deltas(&[(*first).clone(), (*middle).clone()]))
        .unwrap_or_default();
    latest
        .iter()
        .filter_map(|now| {
            let old = same(&before, now).filter(|b| b.calls >= 20)?;
            let confirmed = now.blks_per_call > 3.0 * old.blks_per_call.max(1.0)
                || same(&earlier, now).is_some_and(|e| is_slow(e, old));
            (is_slow(now, old) && confirmed).then(|| symptom(window, middle.at, now, old))
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
        let mut samples = healthy(40);
        let (mut ms, mut blks) = (0.0, 0);
        for (i, sample) in samples.iter_mut().enumerate() {
            let slow = i > 35;
            ms += 100.0 * if slow { ms_after } else { 0.1 };
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
}
