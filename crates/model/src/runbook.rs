//! A runbook: steps that each carry their limits, what they expect to see, and their way back.
//! A change and a recovery are both runbooks: printable, approvable, dry-runnable.

use crate::name::{Pid, Relation};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runbook {
    /// The action that made it (file name in `recover/actions`), or `change`.
    pub action: String,
    /// One line in the imperative, naming the object.
    pub title: String,
    /// Why this and not something stronger.
    pub why: String,
    pub steps: Vec<Step>,
    /// Acknowledged data that is lost when it succeeds; 0 rows for most.
    pub loss: Loss,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// `None`: not known before.
    pub n_rows: Option<u64>,
    pub explain: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// 1, 2, 3, ...
    pub number: u32,
    /// What it does, in words.
    pub title: String,
    pub act: Act,
    pub limits: Limits,
    pub expectations: Vec<Expectation>,
    pub undo: Undo,
}

/// What a step does. SQL goes through `pg::guarded`; the others through `recover`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Statements in one transaction, or each by itself where they may not run in one.
    Sql { statements: Vec<String>, transaction: bool },
    /// Ends what one backend does. `backend_start` proves it is still the same session.
    /// `still` is what else must be as it was when the step was planned.
    Signal { pid: Pid, backend_start: Timestamp, signal: BackendSignal, still: Still },
    /// Brings dropped objects back from a side server stopped just before `target_lsn`.
    RestoreObjects { relations: Vec<Relation>, target_lsn: String },
    /// Gives emptied tables back the rows they had, from a side server stopped just before
    /// `target_lsn`; rows that came since stay.
    RefillTables { relations: Vec<Relation>, target_lsn: String },
    /// Writes one block back from a side server that replayed all WAL.
    RestoreBlock { relation: Relation, block: u32 },
    /// Gives rows that transaction `xid` changed their values of before, where nobody
    /// changed them since; the values come from a side server stopped just before `target_lsn`.
    RestoreRows { relation: Relation, xid: u64, target_lsn: String },
    /// Nothing but its expectations: proof that an earlier step has worked.
    Verify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendSignal {
    /// `pg_cancel_backend`: ends the statement, keeps the session.
    Cancel,
    /// `pg_terminate_backend`: ends the session, its transaction rolls back.
    Terminate,
    /// `pg_cancel_backend`, which aborts the transaction and frees its locks; after 2 s
    /// `pg_terminate_backend`, only where others still wait for that transaction.
    CancelThenTerminate,
}

/// What must still be true of a session at the moment it is signalled.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Still {
    /// `pg_stat_activity.state`; `None`: whatever it is.
    pub state: Option<String>,
    /// It runs the same statement.
    pub query_start: Option<Timestamp>,
    /// It is in the same transaction.
    pub xact_start: Option<Timestamp>,
    /// It waits for a lock.
    pub waits: bool,
    /// Another session waits for a lock of it.
    pub blocks: bool,
}

/// Limits around one step; 0 means "the step must not have this limit"
/// (`CREATE INDEX CONCURRENTLY` under a timeout leaves an invalid index).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub lock_timeout_ms: u64,
    pub statement_timeout_ms: u64,
    /// Sessions that may wait behind the step before it is cancelled.
    pub waiters_max: u32,
    /// Rows a data change may touch before it is rolled back; `None`: as many as declared.
    pub rows_max: Option<u64>,
}

impl Limits {
    /// For a step that takes short locks.
    pub const SHORT: Limits = Limits {
        lock_timeout_ms: 2_000, // users give up after ~10 s; three tries must fit
        statement_timeout_ms: 60_000, // the recovery budget of a drill
        waiters_max: 20,
        rows_max: None,
    };

    /// For steps that must be left to finish: `CONCURRENTLY`.
    ///
    /// Nobody queues behind them while they wait for old transactions, so they may wait long;
    /// a transaction that is older still, or a build of half a day, is for a person to look at.
    pub const PATIENT: Limits = Limits {
        lock_timeout_ms: 10 * 60 * 1000,
        statement_timeout_ms: 12 * 60 * 60 * 1000,
        waiters_max: 20,
        rows_max: None,
    };

    /// For restores, which copy much and lock late: 100 GB at 30 MB/s fit into an hour.
    pub const RESTORE: Limits = Limits { statement_timeout_ms: 60 * 60 * 1000, ..Limits::SHORT };
}

/// A query and what it must answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// A sentence: "no session waits behind pid 4711".
    pub claim: String,
    /// One boolean; runs read-only.
    pub sql: String,
    /// Must become true within this time.
    pub within_ms: u64,
}

/// The way back, stated before the step runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// The step changes nothing that would need undoing.
    Nothing,
    Exact {
        statements: Vec<String>,
    },
    Lossy {
        statements: Vec<String>,
        loses: String,
    },
    Impossible {
        why: String,
    },
}
