//! Events: append-only facts from which every screen and the post-mortem are folded.

use crate::evidence::Source;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub at: Timestamp,
    /// Name of the server as configured, never a password.
    pub server: String,
    pub kind: EventKind,
    /// What it is about: a relation, a cause id, a change id, a pid.
    pub subject: String,
    /// A role, never a person: `pgward`, `deploy`, `site`.
    pub actor: String,
    /// A sentence for the timeline.
    pub what: String,
    pub source: Source,
}

/// When that cause became likely; any, where none stands. What was thought before is no diagnosis.
pub fn diagnosed<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    cause: Option<&str>,
) -> Option<Timestamp> {
    let of_it =
        |e: &&Event| e.kind == EventKind::Diagnosed && cause.is_none_or(|cause| e.subject == cause);
    events.into_iter().filter(of_it).map(|e| e.at).min()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    Change,
    Symptom,
    Opened,
    Diagnosed,
    RuledOut,
    Proposed,
    Step,
    Verified,
    Recovered,
    Closed,
    Failed,
    Note,
}
