//! Follows the server log through SQL, so that it works on another machine too.
//!
//! Bytes only: what they say is for those who read logs. Rotation and truncation are followed.

use crate::error::Error;
use crate::session::{Session, get};

/// Bytes read in one call; what lies further back is skipped and counted.
const READ_MAX: i64 = 1 << 20; // ~4,000 lines a second are parsed in well under 50 ms

/// Follows one server's log.
#[derive(Debug)]
pub struct LogTail {
    format: LogFormat,
    /// Name the server gives, e.g. `log/postgresql-2026-11-21.csv`.
    file: String,
    offset: i64,
    /// `log_line_prefix`, in which a stderr log is written.
    prefix: String,
    /// `log_timezone`.
    zone: String,
}

/// How far a log was read, to go on there over another session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPosition {
    file: String,
    offset: i64,
}

/// How a server writes its log, the most telling first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Csv,
    Json,
    Stderr,
}

impl LogFormat {
    fn id(self) -> &'static str {
        match self {
            LogFormat::Csv => "csvlog",
            LogFormat::Json => "jsonlog",
            LogFormat::Stderr => "stderr",
        }
    }
}

/// What was written since the last call.
#[derive(Debug, Default)]
pub struct LogRead {
    pub pieces: Vec<LogPiece>,
    /// Bytes passed over because there was too much to read.
    pub skipped_bytes: i64,
}

/// Bytes of one file, as they follow each other there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPiece {
    pub format: LogFormat,
    pub bytes: Vec<u8>,
    /// They do not follow what was read before: another file, or bytes between were passed over.
    pub begins: bool,
}

impl LogTail {
    /// Starts at the present end of the log.
    ///
    /// # Errors
    /// [`Error::Server`] when the server collects no log, [`Error::Query`] 42501 when the role
    /// may not read it.
    pub fn open(session: &Session) -> Result<LogTail, Error> {
        let (format, file) = current(session)?;
        let setting = |name: &str| -> Result<String, Error> {
            session.query_one("SELECT pg_catalog.current_setting($1)", &[&name])
        };
        let (prefix, zone) = (setting("log_line_prefix")?, setting("log_timezone")?);
        let offset = size(session, &file)?;
        Ok(LogTail { format, file, offset, prefix, zone })
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

    /// Up to where the log was read, but for the last `unread` bytes.
    pub fn position(&self, unread: usize) -> LogPosition {
        let unread = i64::try_from(unread).unwrap_or(0);
        LogPosition { file: self.file.clone(), offset: self.offset - unread }
    }

    /// `log_line_prefix` when the log was opened.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// `log_timezone` when the log was opened.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// What was written since the last call. Follows rotation and truncation.
    ///
    /// # Errors
    /// [`Error::Query`] when the log cannot be read now.
    pub fn read(&mut self, session: &Session) -> Result<LogRead, Error> {
        let mut read = LogRead::default();
        self.read_file(session, &mut read, false)?;
        let (format, file) = current(session)?;
        if file != self.file {
            self.read_file(session, &mut read, false)?; // what came between reading and rotating
            self.format = format;
            self.file = file;
            self.offset = 0;
            self.read_file(session, &mut read, true)?;
        }
        Ok(read)
    }

    fn read_file(
        &mut self,
        session: &Session,
        read: &mut LogRead,
        mut begins: bool,
    ) -> Result<(), Error> {
        let size = size(session, &self.file)?;
        if size < self.offset {
            self.offset = 0; // truncated
            begins = true;
        }
        if size - self.offset > READ_MAX {
            read.skipped_bytes += size - self.offset - READ_MAX;
            self.offset = size - READ_MAX;
            begins = true;
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
        read.pieces.push(LogPiece { format: self.format, bytes, begins });
        Ok(())
    }
}

/// csvlog and jsonlog files bear the ending the server gives them.
fn format_of(file: &str) -> LogFormat {
    match file.rsplit('.').next() {
        Some("json") => LogFormat::Json,
        Some("csv") => LogFormat::Csv,
        _ => LogFormat::Stderr,
    }
}

fn current(session: &Session) -> Result<(LogFormat, String), Error> {
    for format in [LogFormat::Csv, LogFormat::Json, LogFormat::Stderr] {
        if format == LogFormat::Json && session.major() < 15 {
            continue;
        }
        let file: Option<String> =
            session.query_one("SELECT pg_catalog.pg_current_logfile($1)", &[&format.id()])?;
        if let Some(file) = file {
            return Ok((format, file));
        }
    }
    Err(Error::Server {
        what: "the server collects no log: set logging_collector = on and \
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
