//! Reads the server log as it grows: bytes from the server, messages for the sample.

use crate::error::Error;
use jiff::tz::TimeZone;
use pgward_logs::{Clock, Layout, Prefix};
use pgward_model::prelude::LogEntry;
use pgward_pg::log::{LogFormat, LogPiece, LogPosition, LogTail};
use pgward_pg::session::Session;

/// A message without an end is passed over from here on: the server writes none of that size.
const REST_MAX: usize = 4 << 20;

/// A log that is followed.
#[derive(Debug)]
pub(crate) struct LogReader {
    tail: LogTail,
    clock: Clock,
    prefix: Prefix,
    format: LogFormat,
    /// What is not yet known to be complete.
    rest: Vec<u8>,
    /// The beginning of a message was passed over: its rest says nothing.
    in_the_middle: bool,
}

/// What one reading brought.
#[derive(Debug, Default)]
pub(crate) struct LogNews {
    pub(crate) entries: Vec<LogEntry>,
    pub(crate) skipped_bytes: i64,
}

impl LogReader {
    /// Follows the log from where an earlier session stopped, else from its present end.
    ///
    /// # Errors
    /// As [`LogTail::open`]; [`Error::Sampler`] for a time zone or a prefix that cannot be read.
    pub(crate) fn open(session: &Session, from: Option<&LogPosition>) -> Result<LogReader, Error> {
        let tail = match from {
            Some(position) => LogTail::resume(session, position)?,
            None => LogTail::open(session)?,
        };
        let prefix = Prefix::parse(tail.prefix()).map_err(|e| wrong(e.to_string()))?;
        let clock = Clock::in_zone(time_zone(tail.zone())?);
        let format = LogFormat::Csv;
        Ok(LogReader { tail, clock, prefix, format, rest: Vec::new(), in_the_middle: false })
    }

    /// Up to where complete messages were read.
    pub(crate) fn position(&self) -> LogPosition {
        self.tail.position(self.rest.len())
    }

    /// The messages that were completed since the last call.
    ///
    /// # Errors
    /// As [`LogTail::read`].
    pub(crate) fn read(&mut self, session: &Session) -> Result<LogNews, Error> {
        let read = self.tail.read(session)?;
        let mut news = LogNews { skipped_bytes: read.skipped_bytes, ..LogNews::default() };
        if read.pieces.is_empty() && self.rest.ends_with(b"\n") {
            // Nothing followed for a while: the last message of a stderr log is complete too.
            self.flush(&mut news.entries);
        }
        for piece in read.pieces {
            self.take(piece, &mut news.entries);
        }
        if self.rest.len() > REST_MAX {
            news.skipped_bytes += self.rest.len() as i64;
            self.rest.clear();
            self.in_the_middle = true;
        }
        Ok(news)
    }

    fn take(&mut self, piece: LogPiece, entries: &mut Vec<LogEntry>) {
        if piece.begins {
            self.flush(entries);
            // What was passed over may have ended in the middle of a message.
            self.in_the_middle = true;
        }
        self.format = piece.format;
        let layout = self.layout();
        self.rest.extend_from_slice(&piece.bytes);
        if self.in_the_middle {
            let whole = layout.begins(&self.rest).then_some(0);
            match whole.or_else(|| layout.next_begin(&self.rest)) {
                Some(begin) => {
                    self.rest.drain(..begin);
                    self.in_the_middle = false;
                }
                None => return,
            }
        }
        let end = layout.complete(&self.rest);
        let complete: Vec<u8> = self.rest.drain(..end).collect();
        self.parse(&complete, &layout, entries);
    }

    fn flush(&mut self, entries: &mut Vec<LogEntry>) {
        let rest = std::mem::take(&mut self.rest);
        self.parse(&rest, &self.layout(), entries);
    }

    fn parse(&mut self, bytes: &[u8], layout: &Layout, entries: &mut Vec<LogEntry>) {
        let text = String::from_utf8_lossy(bytes);
        pgward_logs::read(&text, layout, &mut self.clock, &mut |record| {
            entries.push(record.entry());
        });
    }

    fn layout(&self) -> Layout {
        match self.format {
            LogFormat::Csv => Layout::Csv,
            LogFormat::Json => Layout::Json,
            LogFormat::Stderr => Layout::Stderr(self.prefix.clone()),
        }
    }
}

fn time_zone(name: &str) -> Result<TimeZone, Error> {
    TimeZone::get(name).map_err(|_| {
        wrong(format!(
            "log_timezone {name:?} is unknown here, so the times in the log cannot be read: \
             set log_timezone = 'UTC'"
        ))
    })
}

fn wrong(why: String) -> Error {
    Error::Sampler { sampler: "log", why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_time_zone_is_an_error() {
        assert!(time_zone("Europe/Berlin").is_ok());
        let error = time_zone("Mars/Olympus").unwrap_err().to_string();
        assert!(error.contains("set log_timezone"), "{error}");
    }
}
