//! One screen of a server: who waits for whom, what is near its limit, what changed.

use crate::event::Event;
use crate::name::Pid;
use crate::sample::Gap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A server at a glance. A part that could not be had is empty and named in `missing`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// As in events; never a password.
    pub server: String,
    pub at: Timestamp,
    /// `None`: it did not answer.
    pub identity: Option<ServerIdentity>,
    pub activity: Option<Activity>,
    /// Those who keep others waiting, most waiters first.
    pub blockers: Vec<Blocker>,
    pub limits: Vec<Limit>,
    /// Newest last.
    pub changes: Vec<Event>,
    pub incidents: Vec<IncidentLine>,
    pub missing: Vec<Gap>,
}

impl ServerStatus {
    /// Of a server that nobody has looked at yet.
    pub fn empty(server: impl Into<String>, at: Timestamp) -> ServerStatus {
        ServerStatus {
            server: server.into(),
            at,
            identity: None,
            activity: None,
            blockers: Vec::new(),
            limits: Vec::new(),
            changes: Vec::new(),
            incidents: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// Of a server that could not be looked at, and why.
    pub fn unseen(server: impl Into<String>, at: Timestamp, why: String) -> ServerStatus {
        let missing = vec![Gap { sampler: "connection".to_owned(), why }];
        ServerStatus { missing, ..ServerStatus::empty(server, at) }
    }
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerIdentity {
    pub version: String,
    pub started: Timestamp,
    /// When the configuration was last read.
    pub configured: Timestamp,
    pub is_standby: bool,
    /// Given to the cluster when it was made; copies of it share it.
    pub system_identifier: i64,
    /// Where the WAL stands, in bytes since its beginning.
    pub wal_bytes: f64,
}

/// Client sessions by what they do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    pub n_sessions: usize,
    /// Active, and waiting for no lock.
    pub n_active: usize,
    /// Waiting for a lock.
    pub n_waiting: usize,
    pub n_idle_in_transaction: usize,
    /// Since when the oldest transaction of a client is open, and whose it is.
    pub oldest_transaction: Option<(Timestamp, Pid)>,
}

/// A session, or a prepared transaction, that keeps others waiting and waits for no lock itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Blocker {
    /// 0: a prepared transaction.
    pub pid: Pid,
    pub role: String,
    pub application: String,
    pub client: String,
    pub state: String,
    /// Since when it is in that state.
    pub since: Option<Timestamp>,
    pub statement: String,
    pub n_waiters: usize,
    pub longest_wait_s: f64,
    /// What the first of them wait for, each once: `ACCESS EXCLUSIVE on orders`.
    pub waits_for: Vec<String>,
    /// The one waiter behind which most others queue, where there is one in the middle.
    pub queue_head: Option<QueueHead>,
}

/// A waiter that keeps others waiting: without it they go on at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueHead {
    pub pid: Pid,
    pub role: String,
    pub application: String,
    pub statement: String,
    /// Sessions that wait for it alone.
    pub n_resume: usize,
}

/// A quantity that must not reach its limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// `connections`, `transaction ids`, ...
    pub name: String,
    pub used: f64,
    /// `None`: nothing bounds it.
    pub most: Option<f64>,
    /// `sessions`, `bytes`, ...
    pub unit: String,
    /// Whose it is: a database, a slot, a role.
    pub of: String,
}

impl Limit {
    /// Used over most, where there is a limit.
    pub fn share(&self) -> Option<f64> {
        self.most.filter(|most| *most > 0.0).map(|most| self.used / most)
    }
}

/// An incident in one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentLine {
    pub id: String,
    pub opened: Timestamp,
    pub closed: Option<Timestamp>,
    pub title: String,
    /// The most likely cause and what it says.
    pub cause: Option<(String, String)>,
    /// A runbook that waits, in its title.
    pub proposed: Option<String>,
}
