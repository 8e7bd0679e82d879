//! Causes of the form "sessions at work wait for this lightweight lock".

use crate::facts::{complete, cut, no_baseline, sampled};
use pgward_model::prelude::*;
use std::collections::BTreeMap;

/// Wait events that belong together, and how the cause speaks of them.
pub(crate) struct Waits {
    /// `LWLock` events by name, as 14 to 18 call them.
    pub(crate) lwlocks: &'static [&'static str],
    /// `IPC` and `IO` events by name.
    pub(crate) others: &'static [&'static str],
    pub(crate) what: &'static str,
}

/// Of the sessions at work, from which share on a wait is what holds them up: from a third on,
/// without it each would be done half as soon again.
const SHARE: f64 = 0.33;
/// Sessions seen at work, over all samples since the onset, that a share can be told from.
const N_SEEN_MIN: usize = 10;
/// And waiting on average: one session that waits harms no other.
const N_WAITING_MIN: f64 = 2.0;

/// Samples over which a share is told: a storm that is over, or comes and goes, is one all the
/// same, and one sample is not.
const OVER_N: usize = 5;

/// Likely when in the worst seconds since the onset a third of the sessions at work wait so, three
/// times as many as before; unknown when half that share does, however few they are, and else
/// ruled out by the share there is.
pub(crate) fn waits(case: &Case, waits: &Waits, score: f64) -> Verdict {
    if let Some(unknown) = complete(case, "sessions", "sessions were not seen") {
        return unknown;
    }
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    let before = Told::of(case.window.baseline(), waits);
    let worst = worst(case.window.recent(), waits, &before);
    let evidence = Evidence::measured(
        format!("of {} sessions seen at work, waited for {}", worst.n_seen, waits.what),
        100.0 * worst.share(),
        "% of sessions at work",
        sampled("sessions: pg_stat_activity.wait_event"),
    )
    .against(100.0 * before.share())
    .at(worst.samples.last().map_or(case.window.now(), |s| s.at));
    if !worst.holds_up(1.0, &before) {
        // Too few were seen at work to tell a share: some of them waited so, or we have hardly
        // looked yet.
        let looked = worst.samples.len() >= OVER_N;
        if worst.n_seen < N_SEEN_MIN && (worst.n_waiting > 0 || !looked) {
            return Verdict::unknown(format!(
                "what holds sessions up: only {} were seen at work, {} of which waited for {}",
                worst.n_seen, worst.n_waiting, waits.what
            ));
        }
        return match worst.is_suspect(&before) {
            true => Verdict::unknown(format!(
                "whether the {} sessions at a time that wait for {} are enough to hold others up",
                human(worst.per_sample()),
                waits.what
            )),
            false => Verdict::ruled_out(evidence),
        };
    }
    let says = format!(
        "{} sessions wait for {} at a time, {} before; most of them run: {}",
        human(worst.per_sample()),
        waits.what,
        human(before.per_sample()),
        cut(&commonest(worst.samples, waits), 160)
    );
    Verdict::Likely(Likely::new(score, says, evidence))
}

/// The seconds that tell most: those that hold others up, else those with the largest share.
fn worst<'a>(samples: &'a [Sample], waits: &Waits, before: &Told<'_>) -> Told<'a> {
    let rank = |t: &Told<'_>| (t.holds_up(1.0, before), t.holds_up(0.5, before));
    let told = samples.windows(OVER_N).map(|run| Told::of(run, waits));
    told.filter(|t| t.n_seen >= N_SEEN_MIN)
        .max_by(|a, b| rank(a).cmp(&rank(b)).then(a.share().total_cmp(&b.share())))
        .unwrap_or_else(|| Told::of(samples, waits))
}

/// Samples, the sessions seen at work in all of them, and those that waited so.
struct Told<'a> {
    samples: &'a [Sample],
    n_waiting: usize,
    n_seen: usize,
}

impl<'a> Told<'a> {
    fn of(samples: &'a [Sample], waits: &Waits) -> Told<'a> {
        let at_work = samples.iter().flat_map(|s| &s.sessions).filter(|s| s.state == "active");
        let (n_waiting, n_seen) =
            at_work.fold((0, 0), |(n, of), s| (n + usize::from(is_one(s, waits)), of + 1));
        Told { samples, n_waiting, n_seen }
    }

    fn share(&self) -> f64 {
        self.n_waiting as f64 / (self.n_seen as f64).max(1.0)
    }

    fn per_sample(&self) -> f64 {
        self.n_waiting as f64 / (self.samples.len() as f64).max(1.0)
    }

    /// Half the share that holds others up, and three times that of before: a storm that begins
    /// is one of few sessions.
    fn is_suspect(&self, before: &Told<'_>) -> bool {
        self.share() >= (0.5 * SHARE).max(3.0 * before.share())
    }

    /// By so many times what it takes.
    fn holds_up(&self, times: f64, before: &Told<'_>) -> bool {
        self.share() >= times * SHARE
            && self.per_sample() >= (times * N_WAITING_MIN).max(3.0 * before.per_sample())
            && self.n_seen >= N_SEEN_MIN
    }
}

fn is_one(session: &SessionSample, waits: &Waits) -> bool {
    let event = session.wait_event.as_str();
    match session.wait_type.as_str() {
        "LWLock" => waits.lwlocks.iter().any(|name| name.eq_ignore_ascii_case(event)),
        "IPC" | "IO" => waits.others.iter().any(|name| name.eq_ignore_ascii_case(event)),
        _ => false,
    }
}

fn commonest(samples: &[Sample], waits: &Waits) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for s in samples.iter().flat_map(|s| &s.sessions).filter(|s| is_one(s, waits)) {
        *counts.entry(s.query.as_str()).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, n)| *n).map_or(String::new(), |(query, _)| query.to_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{case, healthy, session};

    /// Likely when sessions wait for `event`, ruled out when they work, unknown with a gap.
    pub(crate) fn check_waits(judge: fn(&Case) -> Verdict, kind: &str, event: &str) {
        let with = |kind: &str, event: &str| {
            let mut samples = healthy(38);
            samples.iter_mut().for_each(|s| s.slru = Some(SlruCounters::default()));
            for sample in samples.iter_mut().skip(30) {
                sample.sessions = (0..6).map(|pid| session(pid, "active", &[])).collect();
                for waiting in sample.sessions.iter_mut().take(4) {
                    (waiting.wait_type, waiting.wait_event) = (kind.to_owned(), event.to_owned());
                }
            }
            samples
        };
        assert!(judge(&case(with(kind, event), 30)).likely().is_some());
        assert!(matches!(judge(&case(with("", ""), 30)), Verdict::RuledOut { .. }));
        let mut over = with(kind, event);
        over.extend(with("", "").into_iter().skip(30).chain(with("", "").into_iter().skip(30)));
        assert!(judge(&case(over, 30)).likely().is_some(), "a storm that is over was one");
        let mut few = with(kind, event);
        for sample in few.iter_mut().skip(30) {
            sample.sessions.iter_mut().take(3).for_each(|s| s.wait_event.clear());
        }
        assert!(matches!(judge(&case(few, 30)), Verdict::Unknown { .. }));
        let mut two = with(kind, event);
        two.iter_mut().skip(31).for_each(|s| s.sessions.clear());
        assert!(matches!(judge(&case(two, 30)), Verdict::Unknown { .. }));
        let mut first_look = with("", "");
        first_look.truncate(32);
        first_look.iter_mut().for_each(|s| s.sessions.truncate(1));
        assert!(matches!(judge(&case(first_look, 30)), Verdict::Unknown { .. }));
        let mut blind = with(kind, event);
        blind.last_mut().unwrap().gaps.push(Gap { sampler: "sessions".into(), why: "x".into() });
        assert!(matches!(judge(&case(blind, 30)), Verdict::Unknown { .. }));
    }
}
