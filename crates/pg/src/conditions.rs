//! Reads what surrounds a change on the live server, each part for itself.

use crate::catalog;
use crate::error::Error;
use crate::server;
use crate::session::{Row, Session, get};
use jiff::Timestamp;
use pgward_model::prelude::*;
use std::io::Read;
use std::path::Path;

/// All conditions; a part that cannot be read is a gap that names what would cure it.
///
/// A dozen short queries on statistics and catalogs: no table is opened, so none waits for DDL.
///
/// # Errors
/// A lost connection.
pub fn read(session: &Session) -> Result<Conditions, Error> {
    let mut found = Conditions::default();
    let sees_all: bool =
        session.query_one("SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')", &[])?;
    let mut part = Parts { gaps: Vec::new(), sees_all };
    let waiting = part.of("transactions", Needs::AllStats, || transactions(session))?;
    let prepared = part.of("prepared", Needs::Nothing, || prepared(session))?;
    found.vacuums = part.of("vacuums", Needs::AllStats, || vacuums(session))?;
    found.advisory = part.of("advisory", Needs::Nothing, || advisory(session))?;
    found.freeze = part.of("freeze", Needs::Nothing, || freeze(session))?;
    found.limits = part.of("limits", Needs::Nothing, || limits(session))?;
    found.standbys = part.of("standbys", Needs::AllStats, || standbys(session))?;
    found.slots = part.of("slots", Needs::Nothing, || slots(session))?;
    found.publications = part.of("publications", Needs::Nothing, || publications(session))?;
    found.subscribed = part.of("subscribed", Needs::Nothing, || subscribed(session))?;
    found.keys = part.of("keys", Needs::Nothing, || keys(session, KEYS_MAX))?;
    found.disk = part.of("disk", Needs::Nothing, || disk(session))?;
    let pids: Vec<i32> = waiting.iter().flatten().map(|t| t.pid).collect();
    if let Some(held) = part.of("locks", Needs::Nothing, || held(session, &pids))? {
        found.transactions = waiting.map(|all| with_locks(all, &held));
        found.prepared = prepared.map(|all| prepared_with_locks(all, &held));
    }
    found.gaps = part.gaps;
    Ok(found)
}

/// Since when `pg_stat_statements` counts; `None` without it.
///
/// # Errors
/// [`Error::Query`] for anything but its absence.
pub fn statements_since(session: &Session) -> Result<Option<Timestamp>, Error> {
    let sql = include_str!("../queries/statements_since.sql");
    let Some(sql) = catalog::on_statements(session, sql)? else { return Ok(None) };
    session.query(&sql, &[])?.first().map_or(Ok(None), |row| get(row, 0))
}

/// Of keys nearest to their limit, and of those behind the rows of their table.
const KEYS_MAX: i64 = 1_000;

/// The `most` keys nearest to their limit, then the `most` furthest behind the rows of their table.
///
/// # Errors
/// [`Error::Query`], among others 55P03 while DDL runs on a sequence.
pub fn keys(session: &Session, most: i64) -> Result<Vec<KeyLimit>, Error> {
    let read = |row: &Row| {
        let refers_to = get::<Option<String>>(row, 9)?.zip(get::<Option<String>>(row, 10)?);
        Ok(KeyLimit {
            relation: relation(row, 0)?,
            column: get(row, 2)?,
            data_type: get(row, 3)?,
            sequence: relation(row, 4)?,
            last_value: get(row, 6)?,
            limit: get(row, 7)?,
            type_limit: get(row, 8)?,
            refers_to: refers_to.map(|(schema, name)| Relation::new(schema, name)),
            begins_anew: get(row, 11)?,
        })
    };
    session.query(include_str!("../queries/keys.sql"), &[&most])?.iter().map(read).collect()
}

/// Replication slots, what keeps most first.
///
/// # Errors
/// [`Error::Query`].
pub fn slots(session: &Session) -> Result<Vec<SlotSample>, Error> {
    all(session, include_str!("../queries/slots.sql"), |row| {
        Ok(SlotSample {
            name: get(row, 0)?,
            kind: get(row, 1)?,
            active: get(row, 2)?,
            restart_lsn: get(row, 3)?,
            retained_bytes: get(row, 4)?,
            status: get(row, 5)?,
        })
    })
}

/// Who follows this server. The lags are hidden from roles without `pg_read_all_stats`.
///
/// # Errors
/// [`Error::Query`].
pub fn standbys(session: &Session) -> Result<Vec<Standby>, Error> {
    all(session, include_str!("../queries/standbys.sql"), |row| {
        Ok(Standby {
            name: get(row, 0)?,
            state: get(row, 1)?,
            sync_state: get(row, 2)?,
            sent_lag_bytes: get(row, 3)?,
            flush_lag_bytes: get(row, 4)?,
            replay_lag_bytes: get(row, 5)?,
        })
    })
}

/// What a part cannot be read without.
#[derive(PartialEq)]
enum Needs {
    Nothing,
    /// Else other roles' sessions are there, with empty columns.
    AllStats,
}

struct Parts {
    gaps: Vec<Gap>,
    sees_all: bool,
}

impl Parts {
    /// What `read` gives, or a gap of that name.
    fn of<T>(
        &mut self,
        name: &str,
        needs: Needs,
        read: impl FnOnce() -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let why = if needs == Needs::AllStats && !self.sees_all {
            "hidden from this role; GRANT pg_monitor to it".to_owned()
        } else {
            match read() {
                Ok(value) => return Ok(Some(value)),
                Err(error) if error.is_connection_lost() => return Err(error),
                Err(error) if error.sqlstate() == Some("42501") => {
                    format!("{}; GRANT pg_monitor to this role", error.message())
                }
                Err(error) => error.message(),
            }
        };
        self.gaps.push(Gap { sampler: name.to_owned(), why });
        Ok(None)
    }
}

/// A table lock and who holds it: a pid, or what `pg_locks` calls a prepared transaction.
struct Held {
    pid: Pid,
    transaction: String,
    lock: TableLock,
}

fn held(session: &Session, pids: &[i32]) -> Result<Vec<Held>, Error> {
    let rows = session.query(include_str!("../queries/held_locks.sql"), &[&pids])?;
    let mut held = Vec::new();
    for row in &rows {
        let Some(mode) = LockMode::from_pg_name(&get::<String>(row, 2)?) else { continue };
        let lock = TableLock { relation: relation(row, 3)?, mode };
        held.push(Held { pid: get(row, 0)?, transaction: get(row, 1)?, lock });
    }
    Ok(held)
}

fn with_locks(mut all: Vec<OpenTransaction>, held: &[Held]) -> Vec<OpenTransaction> {
    for t in &mut all {
        t.locks = held.iter().filter(|h| h.pid == t.pid).map(|h| h.lock.clone()).collect();
    }
    all
}

/// `all` comes with the names that `pg_locks` has for them.
fn prepared_with_locks(
    all: Vec<(String, PreparedTransaction)>,
    held: &[Held],
) -> Vec<PreparedTransaction> {
    all.into_iter()
        .map(|(name, mut t)| {
            let mine = held.iter().filter(|h| h.pid == 0 && h.transaction == name);
            t.locks = mine.map(|h| h.lock.clone()).collect();
            t
        })
        .collect()
}

fn transactions(session: &Session) -> Result<Vec<OpenTransaction>, Error> {
    all(session, include_str!("../queries/open_transactions.sql"), |row| {
        Ok(OpenTransaction {
            pid: get(row, 0)?,
            role: get(row, 1)?,
            application: get(row, 2)?,
            state: get(row, 3)?,
            age_s: get(row, 4)?,
            state_s: get(row, 5)?,
            statement: get(row, 6)?,
            has_snapshot: get(row, 7)?,
            locks: Vec::new(),
        })
    })
}

fn prepared(session: &Session) -> Result<Vec<(String, PreparedTransaction)>, Error> {
    all(session, include_str!("../queries/prepared_transactions.sql"), |row| {
        let (gid, role, age_s) = (get(row, 0)?, get(row, 1)?, get(row, 2)?);
        Ok((get(row, 3)?, PreparedTransaction { gid, role, age_s, locks: Vec::new() }))
    })
}

fn vacuums(session: &Session) -> Result<Vec<RunningVacuum>, Error> {
    all(session, include_str!("../queries/running_vacuums.sql"), |row| {
        Ok(RunningVacuum {
            pid: get(row, 0)?,
            relation: relation(row, 1)?,
            to_prevent_wraparound: get(row, 3)?,
            age_s: get(row, 4)?,
            progress: get(row, 5)?,
        })
    })
}

fn advisory(session: &Session) -> Result<Vec<AdvisoryLock>, Error> {
    all(session, include_str!("../queries/advisory_locks.sql"), |row| {
        Ok(AdvisoryLock {
            pid: get(row, 0)?,
            role: get(row, 1)?,
            application: get(row, 2)?,
            key: get(row, 3)?,
            in_transaction: get(row, 4)?,
        })
    })
}

fn freeze(session: &Session) -> Result<Freeze, Error> {
    one(session, include_str!("../queries/freeze_age.sql"), |row| {
        Ok(Freeze {
            database: get(row, 0)?,
            xid_age: get(row, 1)?,
            freeze_max_age: get(row, 2)?,
            failsafe_age: get(row, 3)?,
        })
    })
}

fn limits(session: &Session) -> Result<ServerLimits, Error> {
    one(session, include_str!("../queries/server_limits.sql"), |row| {
        Ok(ServerLimits {
            max_connections: get(row, 0)?,
            max_prepared_transactions: get(row, 1)?,
            max_locks_per_transaction: get(row, 2)?,
            locks_held: get(row, 3)?,
            wal_level: get(row, 4)?,
            slot_wal_bytes_max: get(row, 5)?,
        })
    })
}

fn publications(session: &Session) -> Result<Vec<Publication>, Error> {
    let sql = match session.major() {
        ..15 => include_str!("../queries/publications.sql"),
        _ => include_str!("../queries/publications_15.sql"),
    };
    let mut found: Vec<Publication> = Vec::new();
    for row in session.query(sql, &[])? {
        let name: String = get(&row, 0)?;
        let at = found.iter().position(|p| p.name == name).unwrap_or_else(|| {
            found.push(Publication {
                name,
                all_tables: false,
                schemas: Vec::new(),
                tables: Vec::new(),
                listed: Vec::new(),
            });
            found.len() - 1
        });
        let Some(publication) = found.get_mut(at) else { continue };
        match get::<String>(&row, 1)?.as_str() {
            "all" => publication.all_tables = true,
            "schema" => publication.schemas.push(get(&row, 2)?),
            "listed" => publication.listed.push(relation(&row, 2)?),
            _ => publication.tables.push(relation(&row, 2)?),
        }
    }
    Ok(found)
}

fn subscribed(session: &Session) -> Result<Vec<SubscribedTable>, Error> {
    all(session, include_str!("../queries/subscribed.sql"), |row| {
        Ok(SubscribedTable { subscription: get(row, 0)?, relation: relation(row, 1)? })
    })
}

/// Room on the volumes, where the server is on this machine.
fn disk(session: &Session) -> Result<DiskSpace, Error> {
    let dir: String =
        session.query_one("SELECT pg_catalog.current_setting('data_directory')", &[])?;
    let dir = Path::new(&dir);
    if !is_of(dir, &catalog::system_identifier(session)?) {
        let why = "the server's data directory is not on this machine or not readable here";
        return Err(Error::Server { what: why.to_owned() });
    }
    let moved: bool = session.query_one(
        "SELECT t.spcname <> 'pg_default' FROM pg_catalog.pg_database d
         JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
         WHERE d.datname = pg_catalog.current_database()",
        &[],
    )?;
    if moved {
        let why = "the database is in a tablespace of its own, whose room is not looked at";
        return Err(Error::Server { what: why.to_owned() });
    }
    let wal = dir.join("pg_wal");
    let wal_free_bytes = match on_another_volume(dir, &wal) {
        true => Some(server::free_bytes(&wal)? as f64),
        false => None,
    };
    Ok(DiskSpace {
        data_free_bytes: server::free_bytes(dir)? as f64,
        wal_free_bytes,
        elsewhere: all(session, include_str!("../queries/elsewhere.sql"), |r| relation(r, 0))?,
    })
}

/// Is this the data directory of that cluster? Two machines may use one path for their own.
///
/// `pg_control` begins with the identifier (`src/include/catalog/pg_control.h`, 14 to 18).
fn is_of(dir: &Path, system_identifier: &str) -> bool {
    let mut first = [0_u8; 8];
    let read = std::fs::File::open(dir.join("global/pg_control"))
        .and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && u64::from_ne_bytes(first).to_string() == system_identifier
}

fn on_another_volume(dir: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| std::fs::metadata(path).map(|m| m.dev()).ok();
    device(other).is_some() && device(other) != device(dir)
}

fn all<T>(
    session: &Session,
    sql: &str,
    read: impl Fn(&Row) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    session.query(sql, &[])?.iter().map(read).collect()
}

fn one<T>(
    session: &Session,
    sql: &str,
    read: impl Fn(&Row) -> Result<T, Error>,
) -> Result<T, Error> {
    let rows = session.query(sql, &[])?;
    let row = rows.first().ok_or_else(|| Error::Server { what: "no answer".to_owned() })?;
    read(row)
}

fn relation(row: &Row, at: usize) -> Result<Relation, Error> {
    Ok(Relation::new(get::<String>(row, at)?, get::<String>(row, at + 1)?))
}
