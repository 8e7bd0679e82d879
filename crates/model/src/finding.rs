//! A finding: what a lint says about a place in a change, with its evidence.

use crate::evidence::Evidence;
use crate::statement::Span;
use serde::{Deserialize, Serialize};

/// How bad it is. An error stops the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Note,
    Warning,
    Error,
}

/// Who noticed: each layer of the guard can stop a change by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The text alone.
    Static,
    /// The text against the live catalog.
    Catalog,
    /// A run on a clone.
    Rehearsal,
    /// Limits around the step while it runs in production.
    Envelope,
    /// What the step was expected to do, compared with what it did, before it commits.
    Expectation,
    /// The scan of the data itself.
    Integrity,
}

impl Layer {
    pub const ALL: [Layer; 6] = [
        Layer::Static,
        Layer::Catalog,
        Layer::Rehearsal,
        Layer::Envelope,
        Layer::Expectation,
        Layer::Integrity,
    ];

    pub fn id(self) -> &'static str {
        match self {
            Layer::Static => "static",
            Layer::Catalog => "catalog",
            Layer::Rehearsal => "rehearsal",
            Layer::Envelope => "envelope",
            Layer::Expectation => "expectation",
            Layer::Integrity => "integrity",
        }
    }

    pub fn from_id(id: &str) -> Option<Layer> {
        Layer::ALL.into_iter().find(|layer| layer.id() == id)
    }
}

/// One thing to know about one place of a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Lint id, or the id of the layer's own test for rehearsal, envelope and expectation.
    pub lint: String,
    pub layer: Layer,
    pub severity: Severity,
    /// As given on the command line; `-` for standard input.
    pub file: String,
    pub span: Span,
    /// Names the object and what goes wrong; lower case, no full stop.
    pub message: String,
    evidence: Vec<Evidence>,
    /// What to do instead; SQL where it is exact.
    pub fix: Option<Fix>,
}

/// A finding that somebody has answered for: it is gone, or weighs less.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silenced {
    pub lint: String,
    pub layer: Layer,
    /// As in [`Finding::file`].
    pub file: String,
    pub span: Span,
    /// What the lint gave.
    pub was: Severity,
    /// What is left of it; `None`: nothing.
    pub now: Option<Severity>,
    /// As it is written; never empty.
    pub reason: String,
    pub by: SilencedBy,
}

/// Where it is said that a finding is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilencedBy {
    /// `-- pgward: allow LINT reason` before the statement.
    Comment,
    /// `pgward.toml`.
    Config,
}

/// Ids of findings that no lint gives but a later layer: they may be allowed as lints may.
pub const LAYER_TESTS: [&str; 4] =
    ["broken_statement", "rehearsal_failed", "rows_above_expectation", "slower_plan"];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    pub advice: String,
    pub sql: Option<String>,
    /// Where `sql` goes.
    #[serde(default)]
    pub place: FixPlace,
    /// In that place `sql` leaves the same schema and the same rows, so `pgward check --fix` may
    /// write it.
    #[serde(default)]
    pub exact: bool,
}

/// Where the SQL of a fix goes, seen from the statement it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixPlace {
    Before,
    #[default]
    Instead,
    After,
}

impl Finding {
    /// A finding needs its first piece of evidence to exist at all.
    pub fn new(
        lint: impl Into<String>,
        layer: Layer,
        severity: Severity,
        span: Span,
        message: impl Into<String>,
        evidence: Evidence,
    ) -> Self {
        Self {
            lint: lint.into(),
            layer,
            severity,
            file: String::new(),
            span,
            message: message.into(),
            evidence: vec![evidence],
            fix: None,
        }
    }

    pub fn and(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    pub fn fix(mut self, advice: impl Into<String>, sql: Option<String>) -> Self {
        self.fix = Some(Fix { advice: advice.into(), sql, place: FixPlace::Instead, exact: false });
        self
    }

    /// The SQL of the fix goes there; see [`Fix::place`].
    pub fn placed(mut self, place: FixPlace) -> Self {
        self.fix.iter_mut().for_each(|fix| fix.place = place);
        self
    }

    /// May the fix be written as it is? See [`Fix::exact`].
    pub fn exact(mut self, exact: bool) -> Self {
        self.fix.iter_mut().for_each(|fix| fix.exact = exact && fix.sql.is_some());
        self
    }

    /// Never empty.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }
}
