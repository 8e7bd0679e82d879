//! What people are told of an incident, and the delivery of it.

use crate::status::Blocker;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything that someone woken at night must know first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Id of the incident: whoever receives two of the same tells that they are one trouble.
    pub incident: String,
    pub server: String,
    pub news: AlertNews,
    pub at: Timestamp,
    /// When the first symptom began.
    pub since: Timestamp,
    /// What users feel, in one line that names the object.
    pub title: String,
    /// Relations concerned.
    pub objects: Vec<String>,
    /// Id of the most likely cause.
    pub cause: Option<String>,
    /// What that cause says: object, actor, change.
    pub says: String,
    pub blocker: Option<Blocker>,
    /// The change that preceded the trouble and touches its object.
    pub change: Option<String>,
    /// Who is hit, with numerator and denominator.
    pub impact: String,
    /// The next safe action.
    pub next: String,
}

/// What is new about an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertNews {
    Opened,
    /// Its most likely cause is another one than told before.
    Cause,
    /// Still open, and nobody has acknowledged it.
    Open,
    Closed,
}

/// An alert on its way to one route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Names it in the queue.
    pub id: String,
    /// Name of the route.
    pub route: String,
    pub alert: Alert,
    /// Other alerts that are told with it, so that many at once are one message.
    pub with: Vec<Alert>,
    pub created: Timestamp,
    pub n_tries: u32,
    pub next_try: Timestamp,
}

/// Somebody looks after an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    pub incident: String,
    pub at: Timestamp,
    /// A role, never a person.
    pub by: String,
    pub note: String,
}
