//! A statement of a change and what PostgreSQL does when it runs.

use crate::lock::LockMode;
use crate::name::Relation;
use serde::{Deserialize, Serialize};

/// Where a text stands in a file. Lines and columns count from 1, bytes from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Span {
    pub start: usize,
    pub end: usize,
    pub line: u32,
    pub column: u32,
}

/// One statement of a file, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// Exactly as written, without the semicolon and without leading comments.
    pub text: String,
    pub span: Span,
    pub kind: StatementKind,
    pub effects: Vec<Effect>,
    /// May it run inside a transaction block? `CREATE INDEX CONCURRENTLY`, `VACUUM` may not.
    pub in_transaction: bool,
}

/// What a statement is, as far as the rest of pgward must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    Select,
    Insert,
    Update,
    Delete,
    Truncate,
    Ddl,
    Begin,
    Commit,
    Rollback,
    Set,
    Maintenance,
    Other,
    /// Not understood; its effects are unknown and nothing may be called safe.
    Unparsed,
}

/// What a statement does to one relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    pub relation: Relation,
    /// The strongest lock it takes on the relation.
    pub lock: LockMode,
    /// A new copy of the heap is written.
    pub rewrites: bool,
    /// Every row is read while the lock is held.
    pub scans: bool,
    pub builds_index: bool,
    pub destroys: Destroys,
    /// Existed before this file (so that others may use it).
    pub existed_before: bool,
}

/// What a statement of a file does: said by `check`, seen by `trace`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementEffects {
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    pub effects: Vec<Effect>,
    /// Why it could not be understood, or what the server answered instead.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

/// What cannot be got back from the database alone once committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destroys {
    Nothing,
    Table,
    AllRows,
    /// Rows that a predicate chooses; `unbounded` where there is none or it is always true.
    Rows {
        unbounded: bool,
    },
    Column(String),
    Index(String),
    Constraint(String),
    /// A view, function, type, trigger, schema, ...
    Object(String),
}
