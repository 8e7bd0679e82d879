//! Checkpoints come too often, or writing them holds up everybody.

use super::Cause;
use crate::facts::{complete, no_baseline, regressions, sampled, seconds_of};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "io_checkpoint",
    name: "Checkpoint or WAL write saturation",
    necessary: "checkpoints are asked for by WAL, or sessions wait for files to be synced",
    explains: &["statement_slow", "throughput_drop", "sessions_hang"],
    actions: &[],
    prevention: &[
        "Raise max_wal_size until checkpoints come by time, and spread them over it",
        "Throttle the bulk writer: it is what asks for them",
    ],
    judge,
};

/// Once is a backup or somebody's CHECKPOINT; the second within the trouble is WAL.
const ASKED_MIN: i64 = 2;
/// A tenth of the time in which somebody waits for a sync.
const WAITING_MIN: f64 = 0.1;
/// Of the sessions at work, those that must wait for a sync for it to slow the others' statements.
const SHARE_MIN: f64 = 0.2;
/// Sessions seen at work, over all samples since the onset, that a share can be told from.
const N_SEEN_MIN: usize = 10;
/// And of those at the statement that has become slow, to say that none of them waits.
const N_SLOW_MIN: usize = 5;

fn judge(case: &Case) -> Verdict {
    for (sampler, words) in
        [("wal", "checkpoints were not counted"), ("sessions", "sessions were not seen")]
    {
        if let Some(unknown) = complete(case, sampler, words) {
            return unknown;
        }
    }
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    let (recent, baseline) = (case.window.recent(), case.window.baseline());
    let Some(n) = asked(recent) else {
        return Verdict::unknown("no count of checkpoints since the onset");
    };
    let rate = n as f64 / seconds_of(recent);
    let before = asked(baseline).unwrap_or(0) as f64 / seconds_of(baseline);
    let (waits, waits_before) = (syncing(recent), syncing(baseline));
    let evidence = Evidence::measured(
        format!("sessions that wait for a sync of WAL or data; {n} checkpoints were asked for"),
        waits,
        "sessions",
        sampled("sessions: wait_event IO:WALSync, DataFileSync; wal: checkpoints_req"),
    )
    .against(waits_before)
    .at(case.window.now());
    let n_seen = at_work(recent).count();
    let share = waits / (n_seen as f64 / recent.len() as f64).max(1.0);
    let waits_more = waits >= WAITING_MIN && waits > 3.0 * waits_before;
    let asks_more = n >= ASKED_MIN && rate > 3.0 * before;
    let slows = |s: &Symptom| CAUSE.explains.contains(&s.detector.as_str());
    match (asks_more, waits_more) {
        (false, false) => Verdict::ruled_out(evidence),
        _ if !case.symptoms.iter().any(slows) => Verdict::present_not_sufficient(Evidence {
            claim: format!("{}; nothing has become slower", evidence.claim),
            ..evidence
        }),
        (true, false) => Verdict::present_not_sufficient(Evidence {
            claim: format!("{n} checkpoints were asked for, yet hardly anybody waits for a sync"),
            ..evidence
        }),
        (false, true) if n_seen < N_SEEN_MIN => Verdict::unknown(format!(
            "what share of the sessions at work waits for a sync: only {n_seen} were seen"
        )),
        // Somebody always syncs; what is slow is slow for it when many wait there.
        (false, true) if share < SHARE_MIN => Verdict::present_not_sufficient(Evidence {
            claim: format!(
                "{}, and these are {}% of those at work",
                evidence.claim,
                human(100.0 * share)
            ),
            ..evidence
        }),
        (false, true) if is_slow_elsewhere(case) => Verdict::present_not_sufficient(Evidence {
            claim: format!("{}, and none of them runs the statement that is slow", evidence.claim),
            ..evidence
        }),
        (asked, true) => Verdict::Likely(Likely::new(
            if asked { 0.6 } else { 0.45 },
            format!(
                "{} sessions wait for syncs, {} before; {n} checkpoints were asked for since the \
                 onset",
                human(waits),
                human(waits_before)
            ),
            evidence,
        )),
    }
}

fn asked(samples: &[Sample]) -> Option<i64> {
    let counts: Vec<i64> =
        samples.iter().filter_map(|s| Some(s.wal.as_ref()?.checkpoints_asked)).collect();
    Some(counts.last()? - counts.first()?)
}

/// Sessions at work; who waits for a lock may wait for one that syncs.
fn at_work(samples: &[Sample]) -> impl Iterator<Item = &SessionSample> {
    let all = samples.iter().flat_map(|s| &s.sessions);
    all.filter(|s| s.state == "active" && s.wait_type != "Lock")
}

/// Is all there is to explain a slow statement, and does none of those who run it wait for a file,
/// or for one who does?
fn is_slow_elsewhere(case: &Case) -> bool {
    let mut harms = case.symptoms.iter().map(|s| s.detector.as_str());
    if harms.any(|d| d != "statement_slow" && CAUSE.explains.contains(&d)) {
        return false;
    }
    let slower =
        regressions(&case.window).into_iter().find(|(now, old)| now.ms_per_call > old.ms_per_call);
    let Some((slower, _)) = slower else { return false };
    let active = case.window.recent().iter().flat_map(|s| &s.sessions);
    let run: Vec<_> =
        active.filter(|s| s.state == "active" && s.query_id == slower.query_id).collect();
    run.len() >= N_SLOW_MIN && !run.iter().any(|s| waits_for_a_file(s))
}

/// Or for a lock or a page that one who waits for a file may hold.
fn waits_for_a_file(session: &SessionSample) -> bool {
    let event = session.wait_event.to_ascii_lowercase();
    match session.wait_type.as_str() {
        "Lock" => true,
        "IO" => event != "slruread",
        "LWLock" => event.starts_with("wal") || event == "buffercontent",
        _ => false,
    }
}

/// Mean number of sessions that wait for a sync.
fn syncing(samples: &[Sample]) -> f64 {
    let n = samples.iter().flat_map(|s| &s.sessions).filter(|s| syncs(s)).count();
    n as f64 / (samples.len() as f64).max(1.0)
}

/// Does it wait for a sync? Names were respelled in 17.
fn syncs(session: &SessionSample) -> bool {
    let event = session.wait_event.to_ascii_lowercase();
    match session.wait_type.as_str() {
        "IO" => event.ends_with("sync") || event.starts_with("walwrite"),
        "LWLock" => event.starts_with("walwrite"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, session};

    fn with(asked: i64, waiting: bool) -> Case {
        let mut samples = healthy(40);
        for (i, s) in (0..).zip(&mut samples) {
            let checkpoints_asked = if i > 35 { asked } else { 0 };
            s.wal = Some(WalCounters { checkpoints_asked, ..WalCounters::default() });
            let mut client = session(7, "active", &[]);
            if waiting && i > 30 {
                (client.wait_type, client.wait_event) = ("IO".to_owned(), "WALSync".to_owned());
            }
            s.sessions = vec![client];
        }
        let mut case = case(samples, 30);
        let at = case.window.now();
        let evidence = Evidence::measured("x", 1.0, "ms", sampled("statements"));
        case.symptoms = vec![Symptom::new("statement_slow", at, at, Weight::Harm, "x", evidence)];
        case
    }

    /// A statement that has become ten times as slow, and one client at it in each sample.
    fn with_slow_reader(event: (&str, &str)) -> Case {
        let mut case = with(0, true);
        for (i, s) in (0..).zip(&mut case.window.samples) {
            s.statements = Some(vec![StatementCounters {
                query_id: 5,
                role: "site".to_owned(),
                text: "SELECT 1".into(),
                calls: 100 * i,
                total_ms: (100 * i.min(30) + 1000 * (i - 30).max(0)) as f64,
                rows: 0,
                blks: 0,
                blks_read: 0,
                squares_ms2: 0.0,
            }]);
            let mut reader = SessionSample { query_id: 5, ..session(8, "active", &[]) };
            (reader.wait_type, reader.wait_event) = (event.0.to_owned(), event.1.to_owned());
            s.sessions.push(reader);
        }
        case
    }

    #[test]
    fn who_syncs_slows_no_statement_that_waits_for_no_file() {
        let reader = judge(&with_slow_reader(("", "")));
        assert!(matches!(reader, Verdict::RuledOut { present: true, .. }));
        let subtrans = judge(&with_slow_reader(("IO", "SlruRead")));
        assert!(matches!(subtrans, Verdict::RuledOut { present: true, .. }));
        for waits in [("IO", "DataFileRead"), ("Lock", "tuple"), ("LWLock", "WALInsert")] {
            assert!(judge(&with_slow_reader(waits)).likely().is_some());
        }
        let mut few = with(0, true);
        few.window.samples.truncate(35);
        assert!(matches!(judge(&few), Verdict::Unknown { .. }));
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        assert!(judge(&with(4, true)).likely().is_some());
        assert!(matches!(judge(&with(4, false)), Verdict::RuledOut { present: true, .. }));
        assert!(matches!(judge(&with(0, false)), Verdict::RuledOut { present: false, .. }));
        let mut crowd = with(0, true);
        let mut work = |n| {
            let more = (10..10 + n).map(|pid| session(pid, "active", &[]));
            crowd.window.samples.iter_mut().for_each(|s| s.sessions.extend(more.clone()));
            judge(&crowd)
        };
        assert!(work(1).likely().is_some());
        let crowd = work(10);
        assert!(matches!(crowd, Verdict::RuledOut { present: true, .. }));
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::Unknown { .. }));
    }
}
