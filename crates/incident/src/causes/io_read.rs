//! Reading from storage takes longer, or more is read because the cache is cold.

use super::Cause;
use crate::facts::{complete, sampled};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "io_read",
    name: "Storage reads slow, or the cache is cold",
    necessary: "a block takes longer to read, or more blocks are read for each transaction",
    explains: &["statement_slow", "throughput_drop", "sessions_hang"],
    actions: &[],
    prevention: &[
        "Alarm on the time per block that is read, and on burst credits of the volume",
        "Warm the cache after a restart or failover (pg_prewarm)",
    ],
    judge,
};

/// A shared volume jitters twofold.
const TIMES: f64 = 3.0;
/// Time spent reading that users feel: a third of one session, as for a slow statement.
const READING_MIN: f64 = 0.3;

/// Reads of a run of samples.
struct Reads {
    /// Sessions that read at any moment: read time by wall time.
    sessions: f64,
    ms_per_block: f64,
    blocks_per_xact: f64,
}

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "database", "reads were not counted") {
        return unknown;
    }
    let counted = |samples: &[Sample]| samples.iter().any(|s| s.database.is_some());
    let is_timed = |s: &Sample| s.database.and_then(|d| d.blk_read_ms).is_some();
    if counted(case.window.recent()) && !case.window.recent().iter().any(is_timed) {
        return Verdict::unknown("the time of reads: track_io_timing is off");
    }
    let (Some(now), Some(old)) = (reads(case.window.recent()), reads(case.window.baseline()))
    else {
        return Verdict::unknown("reads before and after the onset");
    };
    let evidence = Evidence::measured(
        format!(
            "sessions that read from storage at any moment; {} ms per block ({} before), {} blocks \
             per transaction ({} before)",
            human(now.ms_per_block),
            human(old.ms_per_block),
            human(now.blocks_per_xact),
            human(old.blocks_per_xact)
        ),
        now.sessions,
        "sessions",
        sampled("database: pg_stat_database.blk_read_time, blks_read"),
    )
    .against(old.sessions)
    .at(case.window.now());
    if now.sessions < READING_MIN || now.sessions < TIMES * old.sessions {
        return Verdict::ruled_out(evidence);
    }
    let (score, what) = match now.ms_per_block >= TIMES * old.ms_per_block.max(0.01) {
        true => (0.65, "storage is slower: each block takes longer"),
        false => (0.35, "more is read from storage at the same time per block: cache or plan"),
    };
    Verdict::Likely(Likely::new(score, format!("{what}. {}", evidence.claim), evidence))
}

fn reads(samples: &[Sample]) -> Option<Reads> {
    let mut timed =
        samples.iter().filter_map(|s| Some((s.at, s.database?, s.database?.blk_read_ms?)));
    let (first, last) = (timed.next()?, timed.next_back()?);
    let seconds = seconds_between(first.0, last.0);
    let blocks = last.1.blks_read - first.1.blks_read;
    let n_xacts =
        (last.1.xact_commit + last.1.xact_rollback) - (first.1.xact_commit + first.1.xact_rollback);
    if seconds <= 0.0 || blocks < 0 || n_xacts < 0 {
        return None; // statistics were reset in between
    }
    let ms = last.2 - first.2;
    Some(Reads {
        sessions: ms / 1000.0 / seconds,
        ms_per_block: ms / (blocks as f64).max(1.0),
        blocks_per_xact: blocks as f64 / (n_xacts as f64).max(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy};

    fn with(ms_per_s: f64) -> Case {
        let mut samples = healthy(40);
        for (i, s) in (0..).zip(&mut samples) {
            let database = s.database.as_mut().unwrap();
            database.blks_read = i64::from(i) * 100;
            database.blk_read_ms =
                Some(f64::from(i) * 10.0 + f64::from((i - 30).max(0)) * ms_per_s);
        }
        case(samples, 30)
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        assert!(judge(&with(2000.0)).likely().is_some_and(|l| l.score > 0.5));
        assert!(matches!(judge(&with(0.0)), Verdict::RuledOut { .. }));
        let mut untimed = with(0.0);
        for s in &mut untimed.window.samples {
            s.database.as_mut().unwrap().blk_read_ms = None;
        }
        assert!(matches!(judge(&untimed), Verdict::Unknown { .. }));
    }
}
