//! What the server wrote to its log.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::log::LogTail;

pub(super) static SAMPLER: Sampler = Sampler {
    id: "log",
    period_s: 1.0,
    rights: "pg_monitor and EXECUTE on pg_read_binary_file(text, bigint, bigint, boolean)",
    take,
};

/// Entries kept of one tick: a burst repeats itself, and memory is bounded.
const ENTRIES_MAX: usize = 2_000;

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    eyes.session()?;
    if eyes.log.is_none() {
        let tail = LogTail::open(eyes.session()?)?;
        eyes.log = Some(tail);
    }
    let (Some(session), Some(tail)) = (&eyes.session, &mut eyes.log) else { return Ok(()) };
    let lines = tail.read(session)?;
    let (ours, mut theirs): (Vec<LogEntry>, Vec<LogEntry>) =
        lines.entries.into_iter().partition(|e| is_ours(&e.application));
    drop(ours);
    sample.log_dropped = theirs.len().saturating_sub(ENTRIES_MAX) as u64;
    theirs.truncate(ENTRIES_MAX);
    sample.log = theirs;
    Ok(())
}

fn is_ours(application: &str) -> bool {
    matches!(application, "pgward watch" | "pgward inspect" | "pgward private")
}
