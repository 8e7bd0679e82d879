//! A post-mortem as data; rendering decides how it looks.

use crate::event::{Event, diagnosed};
use crate::evidence::Evidence;
use crate::incident::WeighedChange;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Postmortem {
    pub incident_id: String,
    /// Marked DRILL in every heading when true.
    pub drill: bool,
    pub title: String,
    pub server: String,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    /// IANA name of the zone printed beside UTC.
    pub zone: String,
    pub summary: String,
    pub impact: Impact,
    /// One paragraph: object, actor and change.
    pub root_cause: String,
    pub contributing: Vec<String>,
    pub cause_id: Option<String>,
    pub evidence: Vec<Evidence>,
    pub detection: String,
    /// Ordered; every line has its source.
    pub timeline: Vec<Event>,
    pub ruled_out: Vec<RuledOutTheory>,
    pub unknown: Vec<(String, String)>,
    /// What changed before and during it, oldest first, each weighed.
    #[serde(default)]
    pub changes: Vec<WeighedChange>,
    pub resolution: Vec<String>,
    pub losses: Losses,
    pub action_items: Vec<ActionItem>,
    pub figures: Figures,
}

impl Postmortem {
    /// When the cause that stands became likely, after the trouble began.
    pub fn diagnosed(&self) -> Option<Timestamp> {
        let since = self.timeline.iter().filter(|e| e.at >= self.started);
        diagnosed(since, self.cause_id.as_deref())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Impact {
    pub explain: String,
    /// Per second: (seconds since start, transactions or requests per second, harmed per second).
    pub per_second: Vec<ImpactPoint>,
    /// Numerator and denominator of the affected share.
    pub n_harmed: u64,
    pub n_total: u64,
    /// Of what: `requests`, `sessions`, `transactions`.
    pub of: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ImpactPoint {
    pub at: Timestamp,
    pub total: f64,
    pub harmed: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuledOutTheory {
    pub cause: String,
    pub name: String,
    pub evidence: Evidence,
    pub opened: Timestamp,
    pub closed: Timestamp,
    /// Minutes this theory cost in the outage it is known from, or the published median.
    pub would_have_cost_min: f64,
    pub cost_source: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Losses {
    /// Acknowledged writes known; `None` without a ledger.
    pub n_acknowledged: Option<u64>,
    pub n_lost: Option<u64>,
    pub lost_keys: Vec<String>,
    pub explain: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionItem {
    /// Stable: incident id and number.
    pub id: String,
    pub title: String,
    /// A role, never a person.
    pub owner: String,
    /// ISO date.
    pub due: String,
    pub state: ActionState,
    pub kind: ActionKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    Open,
    Scheduled,
    InProgress,
    Blocked,
    Done,
    Verified,
    Dropped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    Corrective,
    Preventative,
}

/// Data of the figures; SVG is made when rendering.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Figures {
    /// Sessions of the lock tree at its worst moment, root first.
    pub lock_tree: Vec<LockTreeNode>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockTreeNode {
    pub pid: i32,
    pub parent: Option<i32>,
    pub role: String,
    pub application: String,
    pub state: String,
    pub statement: String,
    pub waits_for: String,
    pub waited_s: f64,
}
