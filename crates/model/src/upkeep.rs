//! What a server needs beside its clients: row versions it may not remove yet, WAL it must
//! keep, standbys that follow, keys that run out. States and counters as read.

use crate::name::{Pid, Relation};
use crate::sample::TableCounters;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far vacuum may go, and who stands in its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Horizon {
    /// Who keeps row versions of this database from removal, the oldest first, at most 20.
    pub holders: Vec<XminHolder>,
    /// `age(datfrozenxid)` of the database that is furthest behind, in transaction ids.
    pub xid_age: i64,
    /// `mxid_age(datminmxid)` likewise, in multixact ids.
    pub mxid_age: i64,
    /// `autovacuum_freeze_max_age`.
    pub freeze_max_age: i64,
    /// `autovacuum_multixact_freeze_max_age`.
    pub mxid_freeze_max_age: i64,
    /// The next transaction id, epoch included: its difference is the rate of ids.
    pub next_xid: i64,
    /// Autovacuum workers at work, and how many there may be.
    pub n_autovacuum: i64,
    pub autovacuum_max: i64,
    /// The system catalogs with most dead rows, at most 5: their rows and vacuums, no other count.
    #[serde(default)]
    pub catalogs: Vec<TableCounters>,
}

/// One that keeps old row versions alive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct XminHolder {
    pub kind: HolderKind,
    /// Application of a session or standby, name of a slot, gid of a prepared transaction.
    pub name: String,
    /// 0 where no process belongs to it.
    pub pid: Pid,
    pub role: String,
    /// Transaction ids since its snapshot or its own id.
    pub age_xids: i64,
    /// Begin of the transaction; `None` for slots and standbys.
    pub since: Option<Timestamp>,
    /// State of the session; `active` or `inactive` of a slot.
    pub state: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderKind {
    Session,
    Slot,
    /// A logical slot, which keeps rows of the system catalogs only (`catalog_xmin`).
    CatalogSlot,
    Prepared,
    /// A standby with `hot_standby_feedback`.
    Standby,
}

impl HolderKind {
    /// Of the word that `horizon.sql` gives it; a word of a newer query counts as a session.
    pub fn of(word: &str) -> HolderKind {
        match word {
            "slot" => HolderKind::Slot,
            "catalog_slot" => HolderKind::CatalogSlot,
            "prepared" => HolderKind::Prepared,
            "standby" => HolderKind::Standby,
            _ => HolderKind::Session,
        }
    }
}

/// A row of `pg_replication_slots`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotSample {
    pub name: String,
    /// `physical` or `logical`.
    pub kind: String,
    pub active: bool,
    /// Where its consumer stands; `None`: it reserves no WAL.
    pub restart_lsn: Option<String>,
    /// WAL from there to the present, in bytes.
    pub retained_bytes: f64,
    /// `wal_status`: reserved, extended, unreserved, lost.
    pub status: String,
}

/// The role of this server and of those that follow it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Replication {
    /// It is a standby and takes no writes.
    pub in_recovery: bool,
    /// `default_transaction_read_only`.
    pub read_only: bool,
    /// `synchronous_standby_names`; empty: commits wait for nobody.
    pub sync_names: String,
    pub standbys: Vec<Standby>,
    /// Of a standby: WAL received and not replayed, in bytes.
    pub replay_lag_bytes: Option<f64>,
    /// Of a standby: `pg_is_wal_replay_paused()`.
    pub replay_paused: bool,
    /// `pg_stat_database.conflicts` of all databases, since reset.
    pub conflicts: i64,
    pub subscriptions: Vec<SubscriptionSample>,
}

/// A row of `pg_stat_replication`. Lags are in bytes behind this server's WAL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standby {
    pub name: String,
    pub state: String,
    /// `async`, `sync`, `quorum`, `potential`.
    pub sync_state: String,
    pub sent_lag_bytes: f64,
    pub flush_lag_bytes: f64,
    pub replay_lag_bytes: f64,
}

/// A subscription of this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionSample {
    pub name: String,
    pub has_worker: bool,
    /// `apply_error_count` and `sync_error_count`, since reset; `None` before PostgreSQL 15.
    pub errors: Option<i64>,
    /// `latest_end_lsn`: how far the publisher was told that we are.
    pub confirmed_lsn: Option<String>,
}

/// A column that takes its values from a sequence, or refers to one that does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyLimit {
    pub relation: Relation,
    pub column: String,
    /// `format_type` of the column.
    pub data_type: String,
    pub sequence: Relation,
    /// The last value that the sequence gave.
    pub last_value: i64,
    /// What the narrower of column and sequence can hold.
    pub limit: i64,
    /// What the column's type can hold; above `limit` where the sequence is the narrower one.
    pub type_limit: i64,
    /// The key that it refers to; `None` for the key itself.
    pub refers_to: Option<Relation>,
    /// The sequence begins anew at its end (CYCLE), before the column is full.
    #[serde(default)]
    pub begins_anew: bool,
}

impl KeyLimit {
    /// Share of the limit that is used, 0 to 1 and above for a reference that no longer fits;
    /// 0 where there is no end.
    pub fn used(&self) -> f64 {
        if self.begins_anew {
            return 0.0;
        }
        self.last_value as f64 / (self.limit as f64).max(1.0)
    }

    /// Keys of one referenced column and of its references belong together.
    pub fn key(&self) -> &Relation {
        self.refers_to.as_ref().unwrap_or(&self.relation)
    }
}
