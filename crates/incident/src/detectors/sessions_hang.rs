//! Sessions hang in a statement that took a moment before.

use super::{BASELINE_S_MIN, Detector};
use crate::facts::{cut, sampled};
use pgward_model::prelude::*;
use std::collections::BTreeMap;

pub(super) static DETECTOR: Detector = Detector {
    id: "sessions_hang",
    title: "Sessions hang in a statement that took a moment before",
    rule: "in two samples in a row three sessions or more have been in one statement for 5 s, a \
           hundred times what it took in the baseline (twenty calls or more), and for longer than \
           ever there. What waits for a lock of another session is a queue, and what waits for its \
           client is not at work. A statement that does not end is in no statistics of statements",
    detect,
};

/// Above the 2 s of a lock queue: a statement may be slow once.
const HANGS_S: f64 = 5.0;
const TIMES: f64 = 100.0;
const CALLS_MIN: i64 = 20;
const SESSIONS_MIN: usize = 3;

fn detect(window: &Window) -> Vec<Symptom> {
    let n = window.samples.len();
    let [before, last] = window.samples.get(n.saturating_sub(2)..).unwrap_or(&[]) else {
        return Vec::new();
    };
    let (then, now) = (long(before), long(last));
    let mut found = now
        .into_iter()
        .filter(|(key, s)| {
            s.len() >= SESSIONS_MIN && then.get(key).is_some_and(|b| b.len() >= SESSIONS_MIN)
        })
        .peekable();
    if found.peek().is_none() || window.baseline_s() < BASELINE_S_MIN {
        return Vec::new(); // the usual case is not worth the baseline's statements
    }
    let usual = statement_deltas(window.baseline());
    let ever = window.baseline().iter().map(|s| long(s).values().map(Vec::len).max().unwrap_or(0));
    let ever = ever.max().unwrap_or(0);
    let hang = |((query_id, role), sessions): ((i64, &str), Vec<&SessionSample>)| {
        let usual = usual.iter().find(|d| d.query_id == query_id && d.role == role)?;
        let is_known = usual.calls >= CALLS_MIN && TIMES * usual.ms_per_call <= 1000.0 * HANGS_S;
        (is_known && sessions.len() > ever).then(|| symptom(last, &sessions, usual))
    };
    found.filter_map(hang).collect()
}

/// Sessions that have been in one statement for long, by statement and role.
fn long(sample: &Sample) -> BTreeMap<(i64, &str), Vec<&SessionSample>> {
    let mut all: BTreeMap<(i64, &str), Vec<&SessionSample>> = BTreeMap::new();
    let hangs = |s: &&SessionSample| {
        s.state == "active"
            && s.query_id != 0
            && !["Lock", "Client"].contains(&s.wait_type.as_str())
            && s.runs_s(sample.at) >= HANGS_S
    };
    for session in sample.sessions.iter().filter(hangs) {
        all.entry((session.query_id, &session.role)).or_default().push(session);
    }
    all
}

fn symptom(last: &Sample, sessions: &[&SessionSample], usual: &StatementDelta) -> Symptom {
    let starts = sessions.iter().filter_map(|s| s.query_start);
    let since = starts.min().unwrap_or(last.at).min(last.at);
    let longest = seconds_between(since, last.at);
    Symptom::new(
        DETECTOR.id,
        since,
        last.at,
        Weight::Harm,
        format!(
            "{} sessions have been in one statement for up to {} s{}, which took {} ms before: {}",
            sessions.len(),
            human(longest),
            common_wait(sessions),
            human(usual.ms_per_call),
            cut(&usual.text, 60)
        ),
        Evidence::measured(
            "longest of them",
            1000.0 * longest,
            "ms",
            sampled("sessions: pg_stat_activity.query_start"),
        )
        .against(usual.ms_per_call)
        .at(last.at),
    )
}

/// What most of them wait for.
fn common_wait(sessions: &[&SessionSample]) -> String {
    let mut waits: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for s in sessions.iter().filter(|s| !s.wait_event.is_empty()) {
        *waits.entry((&s.wait_type, &s.wait_event)).or_default() += 1;
    }
    match waits.into_iter().max_by_key(|(_, n)| *n) {
        Some(((kind, event), n)) if 2 * n > sessions.len() => {
            format!(", waiting for {kind}:{event}")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, session};

    /// A statement that took 1 ms; in the last seconds `n` sessions have been in it for so long.
    fn window(n: i32, seconds: i64, wait_type: &str) -> Window {
        let mut samples = healthy(40);
        for (i, s) in (0..).zip(&mut samples) {
            s.statements = Some(vec![StatementCounters {
                query_id: 1,
                role: "site".into(),
                text: "INSERT INTO readings VALUES ($1)".into(),
                calls: 50 * i,
                total_ms: 50.0 * i as f64,
                rows: 0,
                blks: 0,
                blks_read: 0,
                squares_ms2: 0.0,
            }]);
            if i >= 38 {
                s.sessions = (1..=n).map(|pid| session(pid, "active", &[])).collect();
                for one in &mut s.sessions {
                    one.query_start = Some(at(i - seconds));
                    (one.wait_type, one.wait_event) = (wait_type.into(), "SyncRep".into());
                }
            }
        }
        Window { samples, baseline_until: at(30), catalog: None }
    }

    #[test]
    fn three_that_do_not_come_back_hang() {
        let found = detect(&window(3, 6, "IPC"));
        let [symptom] = found.as_slice() else { panic!("{found:?}") };
        assert!(symptom.title.contains("6 s, waiting for IPC:SyncRep"), "{}", symptom.title);
        assert_eq!(symptom.since, at(33));
        assert_eq!(detect(&window(2, 6, "IPC")), []);
        assert_eq!(detect(&window(3, 3, "IPC")), []);
        assert_eq!(detect(&window(3, 6, "Lock")), []);
        assert_eq!(detect(&window(3, 6, "Client")), []);
    }
}
