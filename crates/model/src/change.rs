//! A change: the unit that goes to production.

use crate::conditions::Conditions;
use crate::finding::{Finding, Layer, Silenced};
use crate::runbook::{Runbook, Undo};
use crate::sample::Gap;
use crate::statement::{Statement, StatementEffects};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// First 12 hex digits of the SHA-256 of its files, in order.
    pub id: String,
    pub files: Vec<ChangeFile>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeFile {
    /// As given; `-` for standard input.
    pub path: String,
    pub text: String,
    pub statements: Vec<Statement>,
    /// Which statements the framework that runs the file has inside of a transaction, the text's
    /// own included; `None`: whoever runs it sends what the text says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<Vec<bool>>,
    /// Which framework would not run the file, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Id of the framework that runs the file, where one is recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framework: Option<String>,
}

/// What the guard says of a change, layer by layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    pub change_id: String,
    /// The first layer that refused, `None` when all layers passed.
    pub stopped_by: Option<Layer>,
    /// Layers that ran, in order, with the seconds each took.
    pub layers: Vec<LayerRun>,
    pub findings: Vec<Finding>,
    /// What comments and `pgward.toml` have silenced or lowered, in the order of the text.
    #[serde(default)]
    pub silenced: Vec<Silenced>,
    /// What could be read at all: nothing is safe that was not understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// The kept catalog that stood for the live one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<KeptCatalog>,
    /// What of the live server's conditions the lints could ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<ConditionsRead>,
    /// Files that were read for what they make and not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
    pub rehearsal: Option<Rehearsal>,
    /// What would run, with limits and undo.
    pub runbook: Option<Runbook>,
}

/// How many statements were understood, and which were not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    pub n_statements: usize,
    /// File, line, why.
    pub not_understood: Vec<(String, u32, String)>,
}

impl Coverage {
    /// Of what is said of each statement.
    pub fn of(statements: &[StatementEffects]) -> Coverage {
        let unclear = statements.iter().filter_map(|s| {
            let why = s.error.clone()?;
            Some((s.file.clone(), s.line, why))
        });
        Coverage { n_statements: statements.len(), not_understood: unclear.collect() }
    }
}

/// A catalog that was read earlier and kept in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptCatalog {
    pub file: String,
    pub database: String,
    pub taken_at: Timestamp,
    /// Between `taken_at` and the check.
    pub age_s: f64,
}

/// Which conditions were read, and which were not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionsRead {
    /// Parts of [`Conditions`](crate::conditions::Conditions).
    pub read: Vec<String>,
    /// Parts that could not be read, and what would cure it.
    pub gaps: Vec<Gap>,
}

impl ConditionsRead {
    pub fn of(conditions: &Conditions) -> ConditionsRead {
        ConditionsRead {
            read: conditions.read().into_iter().map(str::to_owned).collect(),
            gaps: conditions.gaps.clone(),
        }
    }
}

/// A change of which only the files touched since a commit are judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// As given: a commit, a branch, a tag.
    pub revision: String,
    pub n_files_judged: usize,
    pub n_files_unchanged: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerRun {
    pub layer: Layer,
    pub seconds: f64,
    /// `None` when it could run; else why it could not.
    pub skipped: Option<String>,
}

/// What happened to the change on a clone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// How the clone was made: `backup 20261121T…`, `pg_dump`.
    pub clone: String,
    pub steps: Vec<RehearsedStep>,
    /// Statements of the application that no longer prepare afterwards.
    pub broken_statements: Vec<BrokenStatement>,
    /// Statements whose estimated cost grew.
    pub slower_statements: Vec<SlowerStatement>,
    pub seconds: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RehearsedStep {
    pub text: String,
    pub ms: f64,
    pub rows: Option<u64>,
    /// `relation`, `lock mode` seen in `pg_locks`.
    pub locks: Vec<(String, String)>,
    /// What PostgreSQL said at debug1: rewrites, scans, builds.
    pub notices: Vec<String>,
    /// SQLSTATE and message where it failed.
    pub error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenStatement {
    pub text: String,
    pub role: String,
    pub error: String,
    pub calls: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlowerStatement {
    pub text: String,
    pub role: String,
    pub calls: i64,
    pub cost_before: f64,
    pub cost_after: f64,
    pub plan_before: String,
    pub plan_after: String,
}

/// One row of the journal in the guarded database: a step done or about to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    pub change_id: String,
    pub step: u32,
    pub statement: String,
    pub undo: Undo,
    pub state: JournalState,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalState {
    Intended,
    Done,
    Failed,
    Undone,
}
