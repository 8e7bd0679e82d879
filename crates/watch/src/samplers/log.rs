//! What the server wrote to its log.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use crate::log_reader::LogReader;
use pgward_model::prelude::*;
use pgward_pg::clock;
use pgward_pg::error::links;
use pgward_pg::session::own;
use std::time::Duration;

pub(super) static SAMPLER: Sampler = Sampler {
    id: "log",
    period_s: 1.0,
    rights: "pg_monitor and EXECUTE on pg_read_binary_file(text, bigint, bigint, boolean)",
    take,
};

/// Entries kept of one tick: a burst repeats itself, and memory is bounded.
const ENTRIES_MAX: usize = 2_000;

/// A server that collects no log, or whose log we may not read, will not do so the next second.
const OPEN_EVERY: Duration = Duration::from_secs(10);

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    eyes.session()?;
    if eyes.log.is_none() {
        open(eyes)?;
    }
    let (Some(session), Some(reader)) = (&eyes.session, &mut eyes.log) else { return Ok(()) };
    let news = reader.read(session)?;
    let ours = own::backends();
    let mut theirs = news.entries;
    theirs.retain(|e| !is_ours(&ours, e));
    sample.log_dropped = theirs.len().saturating_sub(ENTRIES_MAX) as u64;
    theirs.truncate(ENTRIES_MAX);
    sample.log = theirs;
    if let Some(why) = left_out(news.skipped_bytes, sample.log_dropped) {
        sample.gaps.push(Gap { sampler: SAMPLER.id.to_owned(), why });
    }
    Ok(())
}

fn open(eyes: &mut Eyes) -> Result<(), Error> {
    if let Some((why, again)) = &eyes.log_closed
        && !again.passed()
    {
        return Err(Error::Sampler { sampler: SAMPLER.id, why: why.clone() });
    }
    let from = eyes.log_position.take();
    let session = eyes.session()?;
    match LogReader::open(session, from.as_ref()) {
        Ok(reader) => {
            eyes.log = Some(reader);
            eyes.log_goes_on = from.is_some();
        }
        Err(error) => {
            if is_lasting(&error) {
                let why = match &error {
                    Error::Sampler { why, .. } => why.clone(),
                    error => links(error).join(": "),
                };
                eyes.log_closed = Some((why, clock::Deadline::after(OPEN_EVERY)));
            }
            eyes.log_position = from;
            return Err(error);
        }
    }
    Ok(())
}

/// Does it hold until somebody changes the server or our rights?
fn is_lasting(error: &Error) -> bool {
    match error {
        Error::Pg(pgward_pg::error::Error::Server { .. }) | Error::Sampler { .. } => true,
        Error::Pg(error) => error.sqlstate() == Some("42501"),
        Error::Integrity(_) => false,
    }
}

/// What of the log this sample lacks.
fn left_out(skipped_bytes: i64, n_dropped: u64) -> Option<String> {
    let bytes = (skipped_bytes > 0).then(|| format!("{skipped_bytes} bytes were passed over"));
    let lines = (n_dropped > 0).then(|| format!("{n_dropped} lines were dropped"));
    let parts: Vec<String> = bytes.into_iter().chain(lines).collect();
    (!parts.is_empty()).then(|| format!("{TOO_FAST}: {}", parts.join(" and ")))
}

const TOO_FAST: &str = "the server writes faster than we read";

/// Is it a part of the log that is never read, and not one that is read later?
pub(crate) fn is_lost(gap: &Gap) -> bool {
    gap.why.starts_with(TOO_FAST)
}

/// Was it one of our own backends? By pid and time: a name anyone can take.
fn is_ours((pids, starts): &(Vec<Pid>, Vec<Timestamp>), entry: &LogEntry) -> bool {
    pids.iter()
        .zip(starts)
        .any(|(pid, start)| *pid == entry.pid && seconds_between(*start, entry.at) > -1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted() {
        assert_eq!(left_out(0, 0), None);
        let why = left_out(1_000, 3).unwrap();
        assert!(why.ends_with("1000 bytes were passed over and 3 lines were dropped"), "{why}");
    }

    #[test]
    fn a_pid_is_ours_from_its_start_and_a_name_never() {
        let start = Timestamp::from_second(1_795_219_200).unwrap();
        let entry = |pid, seconds| LogEntry {
            at: start + jiff::SignedDuration::from_secs(seconds),
            pid,
            role: "site".to_owned(),
            database: "shop".to_owned(),
            application: "pgward watch".to_owned(),
            client: String::new(),
            severity: "ERROR".to_owned(),
            sqlstate: "42P01".to_owned(),
            class: String::new(),
            context: String::new(),
            message: String::new(),
            detail: String::new(),
            statement: String::new(),
        };
        let ours = (vec![7], vec![start]);
        assert!(is_ours(&ours, &entry(7, 5)));
        assert!(!is_ours(&ours, &entry(7, -60)));
        assert!(!is_ours(&ours, &entry(8, 5)));
    }
}
