//! Causes of the form "what many transactions look up no longer fits the few pages for it".

use crate::facts::{cut, is_same_work, regressions, sampled, who};
use pgward_model::prelude::*;

/// Pages of one kind.
pub(crate) struct Pages {
    pub(crate) of: fn(&SlruCounters) -> SlruPages,
    pub(crate) what: &'static str,
}

/// What a lookup takes at the very least, in seconds: a page copied from the cache of the
/// operating system, and one that is in memory. To wait for others at it is counted by the waits.
const READ_S: f64 = 2e-6;
const HIT_S: f64 = 1e-7;
/// Of the time that statements have lost, what lookups must take by that least count: on a busy
/// machine they take several times as long, and everything else loses time too.
const SHARE: f64 = 0.1;
/// Readings come every 2 s, and a server reports what it counts a second late.
const LOOKED_S: f64 = 5.0;
/// Long enough for a storm that has passed to be seen as one beside the calm after it.
const LAST_S: f64 = 10.0;

/// The verdict of the waits, unless the server's own count of lookups tells more: sessions that
/// look up thousands of pages for a statement spend its time there, whether they wait for each
/// other or each for its own.
pub(crate) fn or_lookups(case: &Case, waits: Verdict, pages: &Pages, score: f64) -> Verdict {
    let (window, recent) = (&case.window, case.window.recent());
    let now = Rates::of(recent, pages);
    let counted = now.as_ref().is_some_and(|rates| rates.seconds >= LOOKED_S);
    if let (Verdict::RuledOut { .. }, false) = (&waits, counted) {
        return Verdict::unknown(format!(
            "whether {} are looked up: they were not counted for {LOOKED_S} s since the onset",
            pages.what
        ));
    }
    let Some(before) = Rates::of(window.baseline(), pages) else { return waits };
    let runs = [now, Rates::of(window.last_seconds(LAST_S), pages)].into_iter().flatten();
    let worst = runs.max_by(|a, b| a.sessions().total_cmp(&b.sessions()));
    let slower = regressions(window).into_iter().find(|(now, old)| is_slower(now, old));
    let storm = worst.filter(|rates| rates.is_storm(&before));
    let (Some(storm), Some((slower, _))) = (storm, slower) else { return waits };
    let evidence = Evidence::measured(
        format!("lookups in the {}, {}/s of which read a file", pages.what, human(storm.read)),
        storm.looked_up,
        "lookups/s",
        sampled("slru: pg_stat_slru.blks_hit, blks_read"),
    )
    .against(before.looked_up)
    .at(window.now());
    if let Verdict::Likely(likely) = waits {
        return Verdict::Likely(likely.and(evidence));
    }
    let says = format!(
        "{} lookups/s in the {}, {} before, {}/s of which read a file; most time is lost by: {}",
        human(storm.looked_up),
        pages.what,
        human(before.looked_up),
        human(storm.read),
        cut(&slower.text, 160)
    );
    Verdict::Likely(Likely::new(score, says, evidence))
}

/// Does a statement take twice as long for the same rows and blocks?
fn is_slower(now: &StatementDelta, before: &StatementDelta) -> bool {
    is_same_work(now, before) && now.ms_per_call >= 2.0 * before.ms_per_call
}

/// Per second of a run of samples.
struct Rates {
    seconds: f64,
    looked_up: f64,
    read: f64,
    /// Of tables and indexes.
    blocks: f64,
    /// Sessions' worth of time that statements spend.
    spent: f64,
}

impl Rates {
    /// `None` where pages were not counted twice, or counters were reset in between.
    fn of(samples: &[Sample], pages: &Pages) -> Option<Rates> {
        let counted: Vec<(Timestamp, SlruPages)> =
            samples.iter().filter_map(|s| Some((s.at, (pages.of)(s.slru.as_ref()?)))).collect();
        let falls = |w: &[(Timestamp, SlruPages)]| match w {
            [(_, a), (_, b)] => b.looked_up < a.looked_up || b.read < a.read,
            _ => false,
        };
        let (from, first) = *counted.first()?;
        let (to, last) = *counted.last()?;
        let seconds = seconds_between(from, to);
        if seconds <= 0.0 || counted.windows(2).any(falls) {
            return None;
        }
        let delta = delta(samples)?;
        let spent = delta.statements.iter().map(|d| d.ms_per_call * d.calls_per_s / 1000.0);
        Some(Rates {
            seconds,
            looked_up: (last.looked_up - first.looked_up) as f64 / seconds,
            read: (last.read - first.read) as f64 / seconds,
            blocks: delta.blks_per_s,
            spent: spent.sum(),
        })
    }

    /// Sessions' worth of time that lookups take at the least.
    fn sessions(&self) -> f64 {
        READ_S * self.read + HIT_S * (self.looked_up - self.read)
    }

    /// A good share of the time that statements have lost; and more of it for each block: more
    /// clients with the same work look up more, and read more blocks as well.
    fn is_storm(&self, before: &Rates) -> bool {
        let lost = self.spent - before.spent;
        lost > 0.0
            && self.sessions() >= SHARE * lost
            && self.sessions() / self.blocks.max(1.0)
                >= 3.0 * before.sessions() / before.blocks.max(1.0)
    }
}

/// A younger transaction is what any server has; a job that takes savepoints lasts longer than
/// detectors need to speak.
const OPEN_S: f64 = 2.0;

/// What must be looked up is younger than the oldest transaction that has written: it is named, and
/// where `actions` can end it, there is little left to look up.
pub(crate) fn oldest_writer(case: &Case, mut likely: Likely, actions: &[&str]) -> Likely {
    let writers = case.window.recent().iter().flat_map(|sample| {
        let written = sample.sessions.iter().filter(|s| s.xid.is_some());
        written.filter_map(|s| Some((seconds_between(s.xact_start?, sample.at), sample.at, s)))
    });
    let oldest = writers.max_by(|a, b| a.0.total_cmp(&b.0));
    let Some((open_s, at, session)) = oldest.filter(|(open_s, ..)| *open_s >= OPEN_S) else {
        return likely;
    };
    likely.says = format!(
        "{}; the oldest transaction that has written is that of {}, {} for {} s",
        likely.says,
        who(session),
        session.state,
        human(open_s)
    );
    let source = sampled("sessions: pg_stat_activity.backend_xid, xact_start");
    let claim = format!("the transaction of pid {} that has written is open", session.pid);
    likely.and(Evidence::measured(claim, open_s, "s", source).at(at)).by([session.pid]).act(actions)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{case, healthy};

    type Count = fn(&mut SlruCounters) -> &mut SlruPages;

    /// 1,000 blocks and 50 calls a second of a statement that takes 1 ms and, from second 30 on,
    /// `slow_ms`; then so many lookups a second, half of which read a file.
    fn looked_up(count: Count, per_s: i64, slow_ms: i64) -> Case {
        let mut samples = healthy(38);
        for (i, sample) in (0..).zip(&mut samples) {
            let slow_s = (i - 30).max(0);
            sample.database.as_mut().unwrap().blks_hit = 1_000 * i;
            sample.statements = Some(vec![StatementCounters {
                query_id: 5,
                role: "site".to_owned(),
                text: "SELECT sum(cents) FROM prices".into(),
                calls: 50 * i,
                total_ms: (50 * (i - slow_s) + 50 * slow_ms * slow_s) as f64,
                rows: 50 * i,
                blks: 1_000 * i,
                blks_read: 0,
                squares_ms2: 0.0,
            }]);
            let mut slru = SlruCounters::default();
            *count(&mut slru) = SlruPages { looked_up: per_s * slow_s, read: per_s * slow_s / 2 };
            sample.slru = Some(slru);
        }
        case(samples, 30)
    }

    /// Likely by the count alone, though nobody was seen at work: only where the lookups can take
    /// the time that was lost, by statements that do the same work; unknown where nobody counted.
    pub(crate) fn check_lookups(judge: fn(&Case) -> Verdict, count: Count) {
        let storm = looked_up(count, 200_000, 11);
        let verdict = judge(&storm);
        let likely = verdict.likely().unwrap();
        assert!(likely.says.contains("FROM prices"), "{}", likely.says);
        assert_eq!(likely.evidence()[0].value, Some(200_000.0));
        let ruled_out = |case: &Case| matches!(judge(case), Verdict::RuledOut { .. });
        assert!(ruled_out(&looked_up(count, 20_000, 11)), "they take a twentieth of the time lost");
        assert!(ruled_out(&looked_up(count, 200_000, 1)), "nothing is slower");
        let changed = |change: fn(&mut Sample, i64, Count)| {
            let mut case = storm.clone();
            let samples = (0..).zip(&mut case.window.samples);
            samples.for_each(|(i, s)| change(s, i, count));
            case
        };
        let always = changed(|s, i, count| {
            *count(s.slru.as_mut().unwrap()) =
                SlruPages { looked_up: 200_000 * i, read: 90_000 * i };
        });
        assert!(ruled_out(&always));
        let more_blocks = changed(|s, i, _| {
            s.statements.as_mut().unwrap()[0].blks += 10_000 * (i - 30).max(0);
        });
        assert!(ruled_out(&more_blocks), "its work has changed");
        let uncounted = changed(|s, i, _| s.slru = s.slru.filter(|_| i < 32));
        assert!(matches!(judge(&uncounted), Verdict::Unknown { .. }));
        let reset = changed(|s, i, count| {
            let pages = count(s.slru.as_mut().unwrap());
            pages.read = if i > 34 { 0 } else { pages.read };
        });
        assert!(judge(&reset).likely().is_none());
    }
}
