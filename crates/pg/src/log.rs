//! Follows the server log through SQL, so that it works on another machine too.
//!
//! csvlog and jsonlog are read; the stderr format drops SQLSTATE and statement and is refused
//! with the setting that cures it. Passwords are redacted before anything is kept.

use crate::error::Error;
use crate::session::{Session, get};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use pgward_model::prelude::*;
use regex::Regex;
use std::sync::OnceLock;

/// Bytes read in one call; what lies further back is skipped and counted.
const READ_MAX: i64 = 1 << 20; // ~4,000 lines a second are parsed in well under 50 ms

/// Follows one server's log.
#[derive(Debug)]
pub struct LogTail {
    format: Format,
    /// Name the server gives, e.g. `log/postgresql-2026-11-21.csv`.
    file: String,
    offset: i64,
    zone: TimeZone,
    rest: Vec<u8>,
}

/// How far a log was read, to go on there over another session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPosition {
    file: String,
    offset: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
}

impl Format {
    fn id(self) -> &'static str {
        match self {
            Format::Csv => "csvlog",
            Format::Json => "jsonlog",
        }
    }
}

/// Lines since the last call.
#[derive(Debug, Default)]
pub struct LogLines {
    pub entries: Vec<LogEntry>,
    /// Bytes passed over because there was too much to read.
    pub skipped_bytes: i64,
}

impl LogTail {
    /// Starts at the present end of the log.
    ///
    /// # Errors
    /// [`Error::Server`] when the server writes neither csvlog nor jsonlog,
    /// [`Error::Query`] 42501 when the role may not read it.
    pub fn open(session: &Session) -> Result<LogTail, Error> {
        let (format, file) = current(session)?;
        let zone: String =
            session.query_one("SELECT pg_catalog.current_setting('log_timezone')", &[])?;
        let zone = time_zone(&zone)?;
        let mut tail = LogTail { format, file, offset: 0, zone, rest: Vec::new() };
        tail.offset = size(session, &tail.file)?;
        Ok(tail)
    }

    /// Goes on where an earlier session stopped, if the server still writes that file.
    ///
    /// # Errors
    /// As [`LogTail::open`].
    pub fn resume(session: &Session, from: &LogPosition) -> Result<LogTail, Error> {
        let mut tail = LogTail::open(session)?;
        let same = tail.format == format_of(&from.file);
        if same && tail.file != from.file && size(session, &from.file)? > 0 {
            tail.file.clone_from(&from.file); // rotated meanwhile: its end is still unread
        }
        if tail.file == from.file {
            tail.offset = from.offset;
        }
        Ok(tail)
    }

    /// Up to where complete lines were read.
    pub fn position(&self) -> LogPosition {
        let unread = i64::try_from(self.rest.len()).unwrap_or(0);
        LogPosition { file: self.file.clone(), offset: self.offset - unread }
    }

    /// What was written since the last call. Follows rotation and truncation.
    ///
    /// # Errors
    /// [`Error::Query`] when the log cannot be read now.
    pub fn read(&mut self, session: &Session) -> Result<LogLines, Error> {
        let mut lines = LogLines::default();
        self.read_file(session, &mut lines)?;
        let (format, file) = current(session)?;
        if file != self.file {
            self.read_file(session, &mut lines)?; // what came between reading and rotating
            self.format = format;
            self.file = file;
            self.offset = 0;
            self.rest.clear();
            self.read_file(session, &mut lines)?;
        }
        Ok(lines)
    }

    fn read_file(&mut self, session: &Session, lines: &mut LogLines) -> Result<(), Error> {
        let size = size(session, &self.file)?;
        if size < self.offset {
            self.offset = 0; // truncated
            self.rest.clear();
        }
        if size - self.offset > READ_MAX {
            lines.skipped_bytes += size - self.offset - READ_MAX;
            self.offset = size - READ_MAX;
            self.rest.clear();
        }
        if size == self.offset {
            return Ok(());
        }
        let bytes: Option<Vec<u8>> = session.query_one(
            "SELECT pg_catalog.pg_read_binary_file($1, $2, $3, true)",
            &[&self.file, &self.offset, &(size - self.offset)],
        )?;
        let bytes = bytes.unwrap_or_default();
        self.offset += i64::try_from(bytes.len()).unwrap_or(0);
        self.rest.extend_from_slice(&bytes);
        let end = match self.format {
            Format::Csv => complete_csv(&self.rest),
            Format::Json => self.rest.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1),
        };
        let whole: Vec<u8> = self.rest.drain(..end).collect();
        lines.entries.extend(match self.format {
            Format::Csv => parse_csv(&whole, &self.zone),
            Format::Json => parse_json(&whole, &self.zone),
        });
        Ok(())
    }
}

/// Parses csvlog text; a line that is none is left out.
pub fn parse_csv(bytes: &[u8], zone: &TimeZone) -> Vec<LogEntry> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    reader
        .byte_records()
        .filter_map(Result::ok)
        .filter_map(|record| {
            let field =
                |i: usize| String::from_utf8_lossy(record.get(i).unwrap_or(b"")).into_owned();
            Some(LogEntry {
                at: time(&field(0), zone)?,
                role: field(1),
                database: field(2),
                pid: field(3).parse().unwrap_or(0),
                client: field(4),
                severity: field(11),
                sqlstate: field(12),
                class: String::new(),
                message: redact(&field(13)),
                detail: redact(&field(14)),
                context: redact(&field(18)),
                statement: redact(&field(19)),
                application: field(22),
            })
        })
        .collect()
}

/// Parses jsonlog text; a line that is none is left out.
pub fn parse_json(bytes: &[u8], zone: &TimeZone) -> Vec<LogEntry> {
    bytes
        .split(|b| *b == b'\n')
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .filter_map(|value| {
            let field =
                |name: &str| value.get(name).and_then(|v| v.as_str()).unwrap_or("").to_owned();
            let state = field("state_code");
            Some(LogEntry {
                at: time(&field("timestamp"), zone)?,
                role: field("user"),
                database: field("dbname"),
                pid: value.get("pid").and_then(|v| v.as_i64()).unwrap_or(0) as i32,
                client: field("remote_host"),
                severity: field("error_severity"),
                // jsonlog leaves the code out when it is 00000.
                sqlstate: if state.is_empty() { "00000".to_owned() } else { state },
                class: String::new(),
                message: redact(&field("message")),
                detail: redact(&field("detail")),
                context: redact(&field("context")),
                statement: redact(&field("statement")),
                application: field("application_name"),
            })
        })
        .collect()
}

/// Replaces what follows PASSWORD in a statement.
pub fn redact(text: &str) -> String {
    static PASSWORD: OnceLock<Regex> = OnceLock::new();
    let pattern = PASSWORD.get_or_init(|| {
        Regex::new(r"(?i)\b(password\s+)(E?'(?:[^']|'')*'?|\$\w*\$.*?\$\w*\$)")
            .expect("the pattern is a constant")
    });
    if text.len() < 8 || !text.to_ascii_lowercase().contains("password") {
        return text.to_owned();
    }
    pattern.replace_all(text, "${1}'…'").into_owned()
}

/// csvlog and jsonlog files bear the ending the server gives them.
fn format_of(file: &str) -> Format {
    if file.ends_with(".json") { Format::Json } else { Format::Csv }
}

fn time_zone(name: &str) -> Result<TimeZone, Error> {
    TimeZone::get(name).map_err(|_| Error::Server {
        what: format!(
            "log_timezone {name:?} is unknown here, so the times in the log cannot be read: \
             set log_timezone = 'UTC'"
        ),
    })
}

fn current(session: &Session) -> Result<(Format, String), Error> {
    for format in [Format::Csv, Format::Json] {
        if format == Format::Json && session.major() < 15 {
            continue;
        }
        let file: Option<String> =
            session.query_one("SELECT pg_catalog.pg_current_logfile($1)", &[&format.id()])?;
        if let Some(file) = file {
            return Ok((format, file));
        }
    }
    Err(Error::Server {
        what: "the server writes no csvlog: set logging_collector = on and \
               log_destination = 'stderr,csvlog'"
            .to_owned(),
    })
}

fn size(session: &Session, file: &str) -> Result<i64, Error> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let rows =
        session.query("SELECT size FROM pg_catalog.pg_ls_logdir() WHERE name = $1", &[&name])?;
    rows.first().map_or(Ok(0), |row| get(row, 0))
}

/// Bytes up to the end of the last complete record: a newline outside quotes.
fn complete_csv(bytes: &[u8]) -> usize {
    let mut quoted = false;
    let mut end = 0;
    for (i, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => end = i + 1,
            _ => {}
        }
    }
    end
}

/// `2026-11-21 03:24:37.457 UTC`, in the server's `log_timezone`.
fn time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let (date_time, _abbreviation) = text.rsplit_once(' ')?;
    let civil: jiff::civil::DateTime = date_time.replace(' ', "T").parse().ok()?;
    civil.to_zoned(zone.clone()).ok().map(|z| z.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "2026-11-21 03:24:37.457 UTC,\"app\",\"shop\",4711,\"127.0.0.1:5000\",\
        65.1,3,\"SELECT\",2026-11-21 03:24:37 UTC,3/4,0,ERROR,42703,\
        \"column \"\"email\"\" does not exist\",,,,,,\"SELECT email\nFROM users\",8,,\"site\",\"client backend\",,0\n";

    #[test]
    fn csv_lines_are_read() {
        let entries = parse_csv(CSV.as_bytes(), &TimeZone::UTC);
        let entry = entries.first().unwrap();
        assert_eq!((entry.sqlstate.as_str(), entry.pid), ("42703", 4711));
        assert_eq!(entry.statement, "SELECT email\nFROM users");
        assert_eq!(entry.application, "site");
        assert_eq!(entry.at.to_string(), "2026-11-21T03:24:37.457Z");
    }

    #[test]
    fn half_a_record_waits_for_its_end() {
        let half = format!("{CSV}2026-11-21 03:24:38 UTC,\"a\nb");
        assert_eq!(complete_csv(half.as_bytes()), CSV.len());
    }

    #[test]
    fn passwords_are_redacted() {
        assert_eq!(
            redact("CREATE ROLE a LOGIN PASSWORD 'se''cret' SUPERUSER"),
            "CREATE ROLE a LOGIN PASSWORD '…' SUPERUSER"
        );
    }

    #[test]
    fn an_unknown_time_zone_is_an_error() {
        assert!(time_zone("Europe/Berlin").is_ok());
        let error = time_zone("Mars/Olympus").unwrap_err().to_string();
        assert!(error.contains("set log_timezone"), "{error}");
    }

    #[test]
    fn json_lines_are_read() {
        let line = br#"{"timestamp":"2026-11-21 03:24:37.457 UTC","pid":7,"error_severity":"LOG","message":"m"}"#;
        let entries = parse_json(line, &TimeZone::UTC);
        assert_eq!(entries.first().unwrap().sqlstate, "00000");
    }
}
