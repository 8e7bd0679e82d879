//! One message of the server log, whatever format it was written in.

use jiff::Timestamp;
use pgward_model::prelude::{LogEntry, Pid};

/// How grave the server calls a message, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    Debug,
    Info,
    Notice,
    #[default]
    Log,
    Warning,
    Error,
    Fatal,
    Panic,
}

impl Level {
    /// The server's word, whatever the language of its messages.
    pub fn id(self) -> &'static str {
        match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Notice => "NOTICE",
            Level::Log => "LOG",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
            Level::Fatal => "FATAL",
            Level::Panic => "PANIC",
        }
    }
}

/// A message with what the server wrote around it. A text is empty where the log has none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Record<'a> {
    /// Milliseconds since 1970 UTC.
    pub at_ms: Option<i64>,
    pub pid: Pid,
    pub role: &'a str,
    pub database: &'a str,
    pub application: &'a str,
    pub client: &'a str,
    /// `client backend`, `checkpointer`, ...
    pub backend: &'a str,
    pub level: Level,
    /// Empty: the log does not say; `00000`: no error.
    pub sqlstate: &'a str,
    pub message: &'a str,
    pub detail: &'a str,
    pub hint: &'a str,
    pub context: &'a str,
    pub statement: &'a str,
}

impl Record<'_> {
    /// When it was written; the epoch where the log does not say.
    pub fn at(&self) -> Timestamp {
        let ms = self.at_ms.unwrap_or(0);
        Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// What is kept of it: classified, and without secrets.
    pub fn entry(&self) -> LogEntry {
        let class = crate::classify(self);
        LogEntry {
            at: self.at(),
            pid: self.pid,
            role: told(self.role),
            database: told(self.database),
            application: told(self.application),
            client: told(self.client),
            severity: self.level.id().to_owned(),
            sqlstate: class.code(self).to_owned(),
            class: class.id.to_owned(),
            message: kept(self.message),
            detail: kept(self.detail),
            context: kept(self.context),
            statement: kept(self.statement),
        }
    }
}

/// Bytes kept of one text: longer ones are bulk data, whose beginning says what they are.
const TEXT_MAX: usize = 16 << 10;

/// A text as it is kept: its beginning, without secrets and without the tabs that mark lines.
pub fn kept(text: &str) -> String {
    crate::redact::redact(crate::text::head(text, TEXT_MAX)).replace("\n\t", "\n")
}

/// `[unknown]` is how the server says that it does not know yet.
fn told(name: &str) -> String {
    if name == "[unknown]" { String::new() } else { name.to_owned() }
}
