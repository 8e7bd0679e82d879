//! What surrounds a change on the live server: who stands in its way now, and how much room it has.

use crate::lock::LockMode;
use crate::name::{Pid, Relation};
use crate::sample::Gap;
use crate::upkeep::{KeyLimit, SlotSample, Standby};
use serde::{Deserialize, Serialize};

/// The conditions of one server and database when the catalog was read.
///
/// A part that could not be read is `None` and stands in `gaps` with what would cure it: its
/// absence proves nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Conditions {
    /// Transactions of this database's clients that have been open for a second or longer, the
    /// oldest first, at most 200; our own left out.
    pub transactions: Option<Vec<OpenTransaction>>,
    /// Prepared transactions of this database, the oldest first, at most 200.
    pub prepared: Option<Vec<PreparedTransaction>>,
    /// Autovacuums of this database, at most 100.
    pub vacuums: Option<Vec<RunningVacuum>>,
    /// Advisory locks of this database, at most 1,000.
    pub advisory: Option<Vec<AdvisoryLock>>,
    pub freeze: Option<Freeze>,
    pub limits: Option<ServerLimits>,
    pub standbys: Option<Vec<Standby>>,
    pub slots: Option<Vec<SlotSample>>,
    pub publications: Option<Vec<Publication>>,
    /// Tables whose rows come from a publisher, at most 20,000.
    pub subscribed: Option<Vec<SubscribedTable>>,
    /// The keys nearest to their limit, at most 1,000, and as many that have given fewer numbers than
    /// their table has rows.
    pub keys: Option<Vec<KeyLimit>>,
    pub disk: Option<DiskSpace>,
    pub gaps: Vec<Gap>,
}

/// A transaction that a client holds open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenTransaction {
    pub pid: Pid,
    pub role: String,
    pub application: String,
    /// `pg_stat_activity.state`: `active`, `idle in transaction`, ...
    pub state: String,
    /// Since it began.
    pub age_s: f64,
    /// Since the session came into its state.
    pub state_s: f64,
    /// Its first words, at most 200 characters; the last one where the session is idle.
    pub statement: String,
    /// It has a snapshot or an id of its own: CONCURRENTLY waits for it whatever it locks.
    pub has_snapshot: bool,
    pub locks: Vec<TableLock>,
}

/// A row of `pg_prepared_xacts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreparedTransaction {
    pub gid: String,
    pub role: String,
    pub age_s: f64,
    pub locks: Vec<TableLock>,
}

/// A granted lock on a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableLock {
    pub relation: Relation,
    pub mode: LockMode,
}

/// An autovacuum worker at work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunningVacuum {
    pub pid: Pid,
    pub relation: Relation,
    /// It does not give way to whoever waits for the table.
    pub to_prevent_wraparound: bool,
    pub age_s: f64,
    /// Share of the table that it has read, 0 to 1; `None` where that is hidden from us.
    pub progress: Option<f64>,
}

/// A granted advisory lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvisoryLock {
    pub pid: Pid,
    pub role: String,
    pub application: String,
    /// The one `bigint`; locks of two integers are left out.
    pub key: i64,
    /// Its session has a transaction open; `None` where that is hidden from us.
    pub in_transaction: Option<bool>,
}

/// How near the end of transaction ids is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// The database that is furthest behind, and the age of its oldest unfrozen row.
    pub database: String,
    pub xid_age: i64,
    /// `autovacuum_freeze_max_age`: there autovacuum begins by itself.
    pub freeze_max_age: i64,
    /// `vacuum_failsafe_age`: there vacuum drops everything but freezing.
    pub failsafe_age: i64,
}

/// Settings that bound what a change may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerLimits {
    pub max_connections: i64,
    pub max_prepared_transactions: i64,
    pub max_locks_per_transaction: i64,
    /// Locks of all sessions together when it was read.
    pub locks_held: i64,
    pub wal_level: String,
    /// `max_slot_wal_keep_size`; `None`: a slot keeps what its consumer has not read.
    pub slot_wal_bytes_max: Option<f64>,
}

impl ServerLimits {
    /// How many locks the shared table is made for.
    /// Source: manual, Lock Management, `max_locks_per_transaction`.
    pub fn lock_slots(&self) -> i64 {
        self.max_locks_per_transaction * (self.max_connections + self.max_prepared_transactions)
    }
}

/// What a publication sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    pub name: String,
    /// FOR ALL TABLES.
    pub all_tables: bool,
    /// FOR TABLES IN SCHEMA.
    pub schemas: Vec<String>,
    /// FOR TABLE with every column, at most 20,000 of all publications.
    pub tables: Vec<Relation>,
    /// FOR TABLE with a list of columns, to which no new column belongs.
    pub listed: Vec<Relation>,
}

impl Publication {
    /// Is the table sent by itself, by its schema, or since all are?
    pub fn sends(&self, table: &Relation) -> bool {
        self.all_tables
            || self.schemas.contains(&table.schema)
            || self.tables.iter().chain(&self.listed).any(|t| t.same_as(table))
    }
}

/// A row of `pg_subscription_rel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribedTable {
    pub subscription: String,
    pub relation: Relation,
}

/// Room on the volumes of a server that runs on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskSpace {
    /// The data directory's volume.
    pub data_free_bytes: f64,
    /// Where `pg_wal` is on another volume.
    pub wal_free_bytes: Option<f64>,
    /// Relations in tablespaces of their own, of which this says nothing; at most 1,000.
    pub elsewhere: Vec<Relation>,
}

impl Conditions {
    /// What still holds when some minutes have passed: who was in the way then need not be now.
    pub fn lasting(self) -> Conditions {
        let earlier = |part: &str| Gap {
            sampler: part.to_owned(),
            why: "the catalog file is too old for it; check with --database".to_owned(),
        };
        let mut gaps = self.gaps;
        let passing = ["transactions", "vacuums", "advisory"];
        gaps.retain(|g| !passing.contains(&g.sampler.as_str()));
        gaps.extend(passing.map(earlier));
        Conditions { transactions: None, vacuums: None, advisory: None, gaps, ..self }
    }

    /// Names of the parts that were read, in a fixed order.
    pub fn read(&self) -> Vec<&'static str> {
        let parts = [
            ("transactions", self.transactions.is_some()),
            ("prepared", self.prepared.is_some()),
            ("vacuums", self.vacuums.is_some()),
            ("advisory", self.advisory.is_some()),
            ("freeze", self.freeze.is_some()),
            ("limits", self.limits.is_some()),
            ("standbys", self.standbys.is_some()),
            ("slots", self.slots.is_some()),
            ("publications", self.publications.is_some()),
            ("subscribed", self.subscribed.is_some()),
            ("keys", self.keys.is_some()),
            ("disk", self.disk.is_some()),
        ];
        parts.into_iter().filter(|(_, is_read)| *is_read).map(|(name, _)| name).collect()
    }
}
