//! One second of a server: counters as read, never rates.

use crate::name::{Pid, Relation};
use crate::upkeep::{Horizon, KeyLimit, Replication, SlotSample};
use crate::window::seconds_between;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Everything the samplers saw in one tick. A part that could not be read is a [`Gap`],
/// and what it would have held is empty or `None`: causes must look at `gaps` before they
/// call an absence a fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Sample {
    pub at: Timestamp,
    /// Client backends without our own, and whatever else keeps one of them waiting.
    pub sessions: Vec<SessionSample>,
    /// Since the server's statistics were reset.
    pub database: Option<DatabaseCounters>,
    /// Present every few ticks.
    pub statements: Option<Vec<StatementCounters>>,
    pub tables: Option<Vec<TableCounters>>,
    /// Present every few ticks.
    #[serde(default)]
    pub planner: Option<PlannerSample>,
    /// Temporary files by backend, most bytes first. Present every few ticks.
    #[serde(default)]
    pub temp_files: Option<Vec<TempFiles>>,
    /// Of sessions at work on one statement for seconds, and of their parallel workers. Present
    /// every few ticks, while there are any.
    #[serde(default)]
    pub writes: Option<Vec<ProcessWrites>>,
    /// Log lines since the last tick.
    pub log: Vec<LogEntry>,
    /// Log lines dropped because there were too many to keep in this tick.
    pub log_dropped: u64,
    pub probe: Option<NetworkProbe>,
    /// The server's words when it turned the last probe away; empty: it did not.
    #[serde(default)]
    pub probe_error: String,
    pub wal: Option<WalCounters>,
    /// Present every few ticks.
    #[serde(default)]
    pub horizon: Option<Horizon>,
    /// Present every few ticks.
    #[serde(default)]
    pub slru: Option<SlruCounters>,
    #[serde(default)]
    pub replication: Option<Replication>,
    /// The keys nearest to their limit, at most 50; present every few ticks.
    #[serde(default)]
    pub keys: Option<Vec<KeyLimit>>,
    /// The server's clock minus ours, in ms, to half a round trip.
    #[serde(default)]
    pub clock_offset_ms: Option<f64>,
    /// DDL since the last tick, from the DDL log in the database or from catalog differences.
    pub ddl: Vec<DdlEvent>,
    /// Roles and settings that changed since the last tick.
    pub changes: Vec<ConfigChange>,
    /// Settings that are written down and wait for a restart; present every few ticks.
    #[serde(default)]
    pub pending: Option<Vec<ConfigChange>>,
    /// Blocks found damaged by the integrity scan since the last tick.
    pub damage: Vec<DamagedBlock>,
    /// Blocks the integrity scan has read since the last tick.
    pub blocks_scanned: u64,
    pub host: Option<HostSample>,
    pub gaps: Vec<Gap>,
    /// What this tick cost us.
    pub own_ms: f64,
}

/// A part of a sample that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Sampler id: `sessions`, `log`, `statements`, ...
    pub sampler: String,
    /// Why, and what would cure it.
    pub why: String,
}

/// A row of `pg_stat_activity` with the locks it waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionSample {
    pub pid: Pid,
    pub role: String,
    pub application: String,
    pub client: String,
    pub database: String,
    pub backend_start: Timestamp,
    pub xact_start: Option<Timestamp>,
    pub query_start: Option<Timestamp>,
    pub state_change: Option<Timestamp>,
    /// `active`, `idle in transaction`, ...
    pub state: String,
    /// `Lock`, `LWLock`, `IO`, `Client`, ...; empty: runs on a CPU.
    pub wait_type: String,
    pub wait_event: String,
    /// `backend_xid`: set once it has written in this transaction.
    pub xid: Option<u64>,
    pub query: String,
    pub query_id: i64,
    /// `pg_blocking_pids`, only for sessions that wait on a lock. 0: a prepared transaction.
    pub blocked_by: Vec<Pid>,
    /// The lock it waits for, e.g. `AccessExclusiveLock on orders`, `row of accounts`.
    pub waits_for: Option<WaitedLock>,
    /// Strongest granted lock per relation, only for sessions that block others.
    pub holds: Vec<HeldLock>,
}

/// How the `application_name` of each session begins that brings back what was lost: the answer to
/// an outage, and never its cause.
pub const RECOVERY: &str = "pgward act recovery";

impl SessionSample {
    /// Seconds for which it has run its statement at that moment; 0 where that is not known.
    pub fn runs_s(&self, at: Timestamp) -> f64 {
        self.query_start.map_or(0.0, |start| seconds_between(start, at))
    }

    /// Role and application, as they are named everywhere; not every client has a name.
    pub fn called(&self) -> String {
        match self.application.as_str() {
            "" => format!("role {}", self.role),
            application => format!("role {} ({application})", self.role),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitedLock {
    /// `pg_locks.locktype`: relation, transactionid, tuple, advisory, ...
    pub kind: String,
    pub mode: String,
    pub relation: Option<Relation>,
    /// `pg_locks.waitstart`: when the wait itself began. `None` in the first moment of a wait,
    /// before the server has noted it.
    #[serde(default)]
    pub since: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLock {
    pub mode: String,
    pub relation: Relation,
}

/// From `pg_stat_database` of the watched database, counters since reset.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DatabaseCounters {
    pub xact_commit: i64,
    pub xact_rollback: i64,
    pub blks_read: i64,
    pub blks_hit: i64,
    pub tup_returned: i64,
    pub tup_updated: i64,
    pub tup_deleted: i64,
    pub temp_bytes: i64,
    pub deadlocks: i64,
    /// `None`: checksums are off.
    pub checksum_failures: Option<i64>,
    pub n_backends: i64,
    pub max_connections: i64,
    /// Those of them that are kept for nobody: `max_connections` without what superusers and
    /// `pg_use_reserved_connections` reserve. `None` in samples of older programs.
    #[serde(default)]
    pub open_connections: Option<i64>,
    /// Time backends spent reading blocks; `None`: `track_io_timing` is off.
    #[serde(default)]
    pub blk_read_ms: Option<f64>,
}

impl DatabaseCounters {
    /// Connections that ordinary roles may have together; one more is refused.
    pub fn slots(&self) -> i64 {
        self.open_connections.unwrap_or(self.max_connections).max(1)
    }

    /// Percent of them that is taken; above 100 where reserved ones are.
    pub fn slots_used(&self) -> f64 {
        100.0 * self.n_backends as f64 / self.slots() as f64
    }
}

/// From `pg_stat_statements`, counters since reset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementCounters {
    pub query_id: i64,
    pub role: String,
    /// Text, fetched once and shared by all samples; long ones are cut at 2,000 characters.
    #[serde(with = "crate::window::shared_text")]
    pub text: Arc<str>,
    pub calls: i64,
    pub total_ms: f64,
    pub rows: i64,
    pub blks: i64,
    pub blks_read: i64,
    /// Sum of the squares of the calls' times, in ms²: tells one time from two.
    #[serde(default)]
    pub squares_ms2: f64,
}

/// From `pg_stat_user_tables`, counters since reset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableCounters {
    pub oid: u32,
    pub relation: Relation,
    pub n_live: i64,
    pub n_dead: i64,
    pub seq_scans: i64,
    pub seq_rows: i64,
    pub idx_scans: i64,
    pub inserted: i64,
    pub updated: i64,
    pub deleted: i64,
    pub last_analyze: Option<Timestamp>,
    /// Vacuums that came to an end, by hand or by themselves.
    #[serde(default)]
    pub vacuums: i64,
    /// Rows written since the planner's statistics were made (`n_mod_since_analyze`).
    #[serde(default)]
    pub written_since_analyze: i64,
    /// Rows as the planner counts them (`pg_class.reltuples`); -1: never counted.
    #[serde(default)]
    pub planner_rows: f64,
}

impl TableCounters {
    /// Live rows. A load that VACUUM counts before its own report comes stands twice in
    /// `n_live_tup`, and once among the rows that were inserted.
    pub fn rows(&self) -> i64 {
        if self.planner_rows <= 0.0 {
            return self.n_live;
        }
        self.n_live.min((self.planner_rows as i64).max(self.inserted - self.deleted))
    }

    /// Counters of a table that nobody has used.
    pub fn new(oid: u32, relation: Relation) -> Self {
        Self {
            oid,
            relation,
            n_live: 0,
            n_dead: 0,
            seq_scans: 0,
            seq_rows: 0,
            idx_scans: 0,
            inserted: 0,
            updated: 0,
            deleted: 0,
            last_analyze: None,
            vacuums: 0,
            written_since_analyze: 0,
            planner_rows: 0.0,
        }
    }
}

/// Temporary files that a backend has open. Source: `pg_ls_tmpdir`; those that parallel workers
/// share are in directories of their own, and not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TempFiles {
    pub pid: Pid,
    pub bytes: i64,
}

/// Bytes that a process of the server has given the kernel to write since it started: tables,
/// indexes, WAL, temporary files. Source: `wchar` of `/proc/PID/io`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessWrites {
    /// The session it works for.
    pub pid: Pid,
    /// The session's own process or one of its parallel workers.
    pub process: Pid,
    pub bytes: i64,
}

/// What the planner lacks: statistics, and indexes that it must not use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct PlannerSample {
    /// Tables that hold rows, by their counters, and may be read by us.
    pub n_tables: i64,
    /// Those of them without statistics of any column. Source: `pg_stats`.
    pub without_statistics: Vec<Relation>,
    /// Tables that hold rows and whose statistics are not shown to us, at most 200.
    #[serde(default)]
    pub hidden: Vec<Relation>,
    pub invalid_indexes: Vec<InvalidIndex>,
    /// Collations in use whose library is another version than the one that built the indexes.
    pub collations_changed: Vec<String>,
    /// The server keeps no version of the database's own collation (before 15).
    #[serde(default)]
    pub collation_unversioned: bool,
    /// Extensions whose version is not the one installed: `name installed available`.
    pub extensions_behind: Vec<String>,
}

/// An index with `indisvalid = false`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvalidIndex {
    pub index: Relation,
    pub table: Relation,
    /// `pg_get_indexdef`.
    pub definition: String,
    pub unique: bool,
    /// Every write keeps it up (`indisready`).
    pub ready: bool,
    /// Some session is building it now.
    pub building: bool,
}

/// One line of the server log, classified and redacted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    pub at: Timestamp,
    pub pid: Pid,
    pub role: String,
    pub database: String,
    pub application: String,
    pub client: String,
    /// LOG, ERROR, FATAL, PANIC, WARNING, ...
    pub severity: String,
    pub sqlstate: String,
    /// Id of its class of messages; empty in samples of older programs.
    #[serde(default)]
    pub class: String,
    pub message: String,
    pub detail: String,
    #[serde(default)]
    pub context: String,
    pub statement: String,
}

/// One probe of the path to the server.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub struct NetworkProbe {
    /// New connections tried in this tick and how many the path or the server failed.
    pub tried: u32,
    pub failed: u32,
    /// New connections that a server in its right mind turned away: no slot left (53300), no
    /// room in shared memory (53200) or a login refused (28xxx). These are not among `failed`.
    #[serde(default)]
    pub refused: u32,
    /// TCP handshake alone: the network without the server. `None` on a unix socket.
    pub tcp_ms: Option<f64>,
    /// Mean time of a new connection that came up (TCP, start-up, authentication).
    pub connect_ms: Option<f64>,
    /// `SELECT 1` over the standing connection.
    pub round_trip_ms: Option<f64>,
    /// Resolving the server's name. `None`: it is an address or a socket, or no name server knew.
    #[serde(default)]
    pub dns_ms: Option<f64>,
    /// The name did not resolve.
    #[serde(default)]
    pub dns_failed: bool,
    /// The host answered that nobody listens on the server's port.
    #[serde(default)]
    pub closed: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct WalCounters {
    pub lsn: String,
    pub lsn_bytes: f64,
    pub archived: i64,
    pub archive_failed: i64,
    pub last_archived: Option<Timestamp>,
    /// Bytes kept for the slowest replication slot; `None` without slots.
    pub slot_retained_bytes: Option<f64>,
    #[serde(default)]
    pub slots: Vec<SlotSample>,
    /// Size of `pg_wal`.
    #[serde(default)]
    pub wal_bytes: Option<f64>,
    /// `max_wal_size`, in bytes: what checkpoints alone keep `pg_wal` at.
    #[serde(default)]
    pub wal_bytes_max: f64,
    /// `archive_mode` is on.
    #[serde(default)]
    pub archives: bool,
    /// Segments that wait for the archiver.
    #[serde(default)]
    pub archive_waiting: Option<i64>,
    #[serde(default)]
    pub last_failed: Option<Timestamp>,
    /// Since reset: checkpoints because their time had come, and because WAL or a statement asked.
    #[serde(default)]
    pub checkpoints_timed: i64,
    #[serde(default)]
    pub checkpoints_asked: i64,
    /// Time checkpoints spent bringing files to disk, since reset.
    #[serde(default)]
    pub checkpoint_sync_ms: f64,
}

/// From `pg_stat_slru`, of the whole cluster, counters since reset: what is said about many
/// transactions at once, on pages of which only a few are in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct SlruCounters {
    /// To which transaction a savepoint's writes belong.
    pub subtransactions: SlruPages,
    /// Who has locked a row together; offsets and members.
    pub multixacts: SlruPages,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct SlruPages {
    pub looked_up: i64,
    /// Those of them that were read from a file.
    pub read: i64,
}

/// One DDL command that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DdlEvent {
    pub at: Timestamp,
    pub pid: Pid,
    pub role: String,
    pub application: String,
    pub client: String,
    /// `DROP TABLE`, `CREATE INDEX`, ...
    pub command: String,
    /// `table`, `index`, `column`, `view`, ... as `pg_event_trigger_dropped_objects` says.
    pub object_kind: String,
    pub identity: String,
    /// The table it belongs to, where it belongs to one.
    pub relation: Option<Relation>,
    pub dropped: bool,
    /// Definition before it went, where a catalog sample has it (indexes).
    pub old_definition: Option<String>,
    pub xid: Option<u64>,
    /// WAL position at or shortly before the command.
    pub lsn: Option<String>,
    /// The statement as sent.
    pub statement: String,
    pub seen_by: DdlWitness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DdlWitness {
    /// The event trigger that `pgward install` creates.
    EventTrigger,
    /// Two catalog samples differ; time and role are known only as far as the log tells.
    CatalogDifference,
}

/// A role, right or setting that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChange {
    pub at: Timestamp,
    /// `setting`, `role`, `privilege` (of a table, schema or function: its owner and ACL).
    pub kind: String,
    pub name: String,
    pub before: String,
    pub after: String,
}

/// A block that does not read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DamagedBlock {
    pub relation: Relation,
    /// The table, where the relation is an index.
    #[serde(default)]
    pub index_of: Option<Relation>,
    pub block: u32,
    /// Path below the data directory, as the server's message names it.
    pub path: String,
    /// The server's words.
    pub message: String,
}

/// The server's host, as far as it can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub struct HostSample {
    pub disk_free_bytes: f64,
    pub disk_total_bytes: f64,
    /// Load average over one minute divided by CPUs.
    pub load_per_cpu: Option<f64>,
    /// Where `pg_wal` is on another volume than the data.
    #[serde(default)]
    pub wal_free_bytes: Option<f64>,
    #[serde(default)]
    pub memory_total_bytes: Option<f64>,
    /// Processes that the kernel has killed for want of memory, since it started.
    #[serde(default)]
    pub oom_kills: Option<i64>,
}

impl HostSample {
    /// Bytes free where WAL is written.
    pub fn wal_free(&self) -> f64 {
        self.wal_free_bytes.unwrap_or(self.disk_free_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_stand_twice_count_once() {
        let rows = |n_live, planner_rows, inserted| {
            let table = TableCounters::new(1, Relation::new("public", "orders"));
            TableCounters { n_live, planner_rows, inserted, ..table }.rows()
        };
        assert_eq!(rows(2_000, 1_000.0, 1_000), 1_000);
        assert_eq!(rows(2_200, 1_000.0, 1_200), 1_200);
        assert_eq!(rows(5_000, 1_000.0, 5_000), 5_000);
        // Counters that were reset know less than the planner; without it they are all there is.
        assert_eq!(rows(900, 1_000.0, 40), 900);
        assert_eq!(rows(70, -1.0, 40), 70);
    }
}
