//! Checkpoints come too often, or writing them holds up everybody.

use super::Cause;
use crate::facts::{complete, no_baseline, sampled, seconds_of};
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
    let share = waits / at_work(recent).max(1.0);
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
        // Somebody always syncs; what is slow is slow for it when many wait there.
        (false, true) if share < SHARE_MIN => Verdict::present_not_sufficient(Evidence {
            claim: format!(
                "{}, and these are {}% of those at work",
                evidence.claim,
                human(100.0 * share)
            ),
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

/// Mean number of sessions at work; who waits for a lock may wait for one that syncs.
fn at_work(samples: &[Sample]) -> f64 {
    let works = |s: &&SessionSample| s.state == "active" && s.wait_type != "Lock";
    let n: usize = samples.iter().map(|s| s.sessions.iter().filter(works).count()).sum();
    n as f64 / (samples.len() as f64).max(1.0)
}

/// Mean number of sessions that wait for a sync. Names were respelled in 17.
fn syncing(samples: &[Sample]) -> f64 {
    let waits = |s: &&SessionSample| {
        let event = s.wait_event.to_ascii_lowercase();
        s.wait_type == "IO" && (event.ends_with("sync") || event.starts_with("walwrite"))
            || (s.wait_type == "LWLock" && event.starts_with("walwrite"))
    };
    let n: usize = samples.iter().map(|s| s.sessions.iter().filter(waits).count()).sum();
    n as f64 / (samples.len() as f64).max(1.0)
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

    #[test]
    fn likely_ruled_out_and_unknown() {
        assert!(judge(&with(4, true)).likely().is_some());
        assert!(matches!(judge(&with(4, false)), Verdict::RuledOut { present: true, .. }));
        assert!(matches!(judge(&with(0, false)), Verdict::RuledOut { present: false, .. }));
        let mut crowd = with(0, true);
        assert!(judge(&crowd).likely().is_some());
        for s in &mut crowd.window.samples {
            s.sessions.extend((10..20).map(|pid| session(pid, "active", &[])));
        }
        assert!(matches!(judge(&crowd), Verdict::RuledOut { present: true, .. }));
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::Unknown { .. }));
    }
}
