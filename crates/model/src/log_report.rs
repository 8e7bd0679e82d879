//! What a server log tells of its time: the words of `pgward logs`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One or several logs, summed up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct LogReport {
    pub files: Vec<LogFile>,
    pub bytes: u64,
    pub n_records: u64,
    /// Lines that belong to no message, or could not be read.
    pub n_lines_unread: u64,
    /// Messages so long that only their beginning was read.
    pub n_records_cut: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// What the reader should know before believing the numbers.
    pub notes: Vec<String>,
    /// What went wrong, the most telling first.
    pub troubles: Vec<LogTrouble>,
    /// Every class that was met, the gravest first, then the most frequent.
    pub classes: Vec<LogClassCount>,
    /// By total time.
    pub statements: Vec<LogStatement>,
    /// All finished statements, also those not listed.
    pub n_statements: u64,
    pub statements_ms: f64,
    /// Errors of one kind with one wording, the most frequent first.
    pub errors: Vec<LogErrorGroup>,
    pub n_errors: u64,
    pub locks: LogLocks,
    pub checkpoints: LogCheckpoints,
    pub temp_files: LogTempFiles,
    pub vacuums: LogVacuums,
    pub connections: LogConnections,
    /// In order; each as long as `bucket_s`.
    pub timeline: Vec<LogBucket>,
    pub bucket_s: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    pub path: String,
    /// `stderr`, `csvlog`, `jsonlog`.
    pub format: String,
    /// `log_line_prefix`; empty where the format needs none.
    pub prefix: String,
    pub bytes: u64,
}

/// One kind of trouble, as the log alone tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogTrouble {
    /// Class of the messages that name it.
    pub class: String,
    /// Id of the cause they speak for; `None`: a matter of the application.
    pub cause: Option<String>,
    /// Other causes that would leave the same messages.
    pub also: Vec<String>,
    /// One sentence: what, of whom, how often.
    pub says: String,
    /// 0 to 1: how directly the messages name it.
    pub score: f64,
    pub n: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// One of the messages, without secrets.
    pub example: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogClassCount {
    pub class: String,
    pub family: String,
    pub means: String,
    /// `routine`, `notice`, `harm`.
    pub weight: String,
    pub n: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub example: String,
}

/// Statements that differ in constants only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogStatement {
    pub fingerprint: String,
    /// Constants replaced.
    pub text: String,
    pub calls: u64,
    pub total_ms: f64,
    pub mean_ms: f64,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// The slowest one, as it was sent, without secrets.
    pub slowest: String,
    pub slowest_at: Option<Timestamp>,
    pub database: String,
    pub role: String,
    pub application: String,
    /// Plans that auto_explain wrote of it; the last one.
    pub n_plans: u64,
    pub plan: String,
    pub temp_bytes: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogErrorGroup {
    pub class: String,
    pub sqlstate: String,
    pub severity: String,
    /// Names and numbers kept, constants replaced.
    pub message: String,
    pub n: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub detail: String,
    pub hint: String,
    pub statement: String,
    pub database: String,
    pub role: String,
    pub application: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct LogLocks {
    pub n_waits: u64,
    pub n_acquired: u64,
    pub waited_ms: f64,
    pub longest_ms: f64,
    pub n_deadlocks: u64,
    /// By time waited.
    pub by_lock: Vec<LogLock>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLock {
    pub mode: String,
    /// `relation 16471`, `transaction`, `tuple of relation 16471`.
    pub on: String,
    pub n: u64,
    pub waited_ms: f64,
    pub longest_ms: f64,
    /// One that waited.
    pub statement: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct LogCheckpoints {
    pub n: u64,
    /// `wal`, `time`, `immediate force wait`, ... and how often.
    pub by_reason: Vec<(String, u64)>,
    pub n_too_frequent: u64,
    pub buffers: f64,
    pub write_s: f64,
    pub sync_s: f64,
    pub longest_s: f64,
    pub longest_sync_s: f64,
    pub wal_added: f64,
    pub wal_removed: f64,
    pub wal_recycled: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct LogTempFiles {
    pub n: u64,
    pub bytes: f64,
    pub largest_bytes: f64,
    /// Text, files, bytes: by bytes.
    pub statements: Vec<(String, u64, f64)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct LogVacuums {
    pub n_vacuums: u64,
    pub n_analyzes: u64,
    pub elapsed_s: f64,
    pub n_cancelled: u64,
    /// By time.
    pub tables: Vec<LogVacuumed>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogVacuumed {
    pub table: String,
    pub n_vacuums: u64,
    pub n_analyzes: u64,
    pub elapsed_s: f64,
    pub removed: f64,
    /// The most dead rows that one run had to keep.
    pub dead_kept_max: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct LogConnections {
    pub n_received: u64,
    pub n_authorized: u64,
    pub n_ended: u64,
    pub session_p50_s: f64,
    pub session_p95_s: f64,
    pub by_role: Vec<(String, u64)>,
    pub by_database: Vec<(String, u64)>,
    pub by_application: Vec<(String, u64)>,
}

/// What a stretch of time brought.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LogBucket {
    pub at: Timestamp,
    pub n_records: u64,
    pub n_errors: u64,
    pub n_statements: u64,
    pub statements_ms: f64,
    pub n_connections: u64,
    pub n_lock_waits: u64,
    pub n_checkpoints: u64,
    pub temp_bytes: f64,
}

impl LogBucket {
    /// A stretch in which nothing happened.
    pub fn new(at: Timestamp) -> Self {
        Self {
            at,
            n_records: 0,
            n_errors: 0,
            n_statements: 0,
            statements_ms: 0.0,
            n_connections: 0,
            n_lock_waits: 0,
            n_checkpoints: 0,
            temp_bytes: 0.0,
        }
    }

    /// Counts what happened in a stretch of it too.
    pub fn add(&mut self, part: &LogBucket) {
        self.n_records += part.n_records;
        self.n_errors += part.n_errors;
        self.n_statements += part.n_statements;
        self.statements_ms += part.statements_ms;
        self.n_connections += part.n_connections;
        self.n_lock_waits += part.n_lock_waits;
        self.n_checkpoints += part.n_checkpoints;
        self.temp_bytes += part.temp_bytes;
    }
}
