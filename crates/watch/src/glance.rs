//! One look at a server: a session, a handful of cheap queries, no baseline, nothing kept.

use crate::error::Error;
use crate::samplers::sessions;
use pgward_incident::status;
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_pg::session::get;
use pgward_pg::{clock, install};
use std::time::Duration;

/// DDL told: what happened within this time, and how many rows of the log that may be.
const DDL_WITHIN_S: f64 = 3600.0;
const DDL_ROWS: i64 = 50;
/// A restart or a new configuration is news for as long.
const STARTED_WITHIN_S: f64 = 3600.0;
/// "Too many clients": 53300 of the server, of a database, of a role.
const NO_SLOT: &str = "53300";

/// A server at a glance. It may take one connection, for at most `connect_within` and then
/// 2 s a query; each part that fails is named in `missing`.
pub fn look(target: &Target, server: &str, connect_within: Duration) -> ServerStatus {
    let mut seen = ServerStatus::empty(server, clock::now());
    match Session::connect_within(target, Purpose::Watch, connect_within) {
        Ok(session) => fill(&session, &mut seen),
        Err(error) => seen.missing.push(unreachable(target, &error)),
    }
    seen
}

/// Why there is no session, and what would give one in the same trouble.
fn unreachable(target: &Target, error: &pgward_pg::error::Error) -> Gap {
    let why = pgward_pg::error::links(error).join(": ");
    let why = match error.sqlstate() {
        Some(NO_SLOT) => format!(
            "every slot that role {} may use is taken ({}); slots are reserved for superusers \
             and, from PostgreSQL 16 on, for roles with pg_use_reserved_connections",
            target.role(),
            error.message()
        ),
        _ => why,
    };
    Gap { sampler: "connection".to_owned(), why }
}

fn fill(session: &Session, seen: &mut ServerStatus) {
    let mut sample = Sample { at: seen.at, ..Sample::default() };
    let n_missing = seen.missing.len();
    match sessions::read_into(session, &mut sample) {
        Ok(()) => {
            seen.activity = Some(status::activity(&sample));
            seen.blockers = status::blockers(&sample);
        }
        Err(error) => seen.missing.push(gap("sessions", &error)),
    }
    seen.missing.splice(n_missing..n_missing, sample.gaps);
    match limits(session) {
        Ok(limits) => seen.limits = limits,
        Err(error) => seen.missing.push(gap("limits", &error)),
    }
    match identity(session) {
        Ok(identity) => {
            seen.changes.extend(of_identity(&identity, seen));
            seen.identity = Some(identity);
        }
        Err(error) => seen.missing.push(gap("server", &error)),
    }
    match recent_ddl(session, seen) {
        Ok(events) => seen.changes.extend(events),
        Err(error) => seen.missing.push(gap("DDL log", &error)),
    }
    seen.changes.sort_by_key(|e| e.at);
}

fn gap(part: &str, error: &Error) -> Gap {
    Gap { sampler: part.to_owned(), why: pgward_pg::error::links(error).join(": ") }
}

/// What a server says of itself.
///
/// # Errors
/// As [`Session::query`].
pub fn identity(session: &Session) -> Result<ServerIdentity, Error> {
    let rows = session.query(include_str!("../queries/identity.sql"), &[])?;
    let row = rows.first().ok_or(Error::Sampler { sampler: "identity", why: "no row".into() })?;
    Ok(ServerIdentity {
        version: get(row, 0)?,
        started: get(row, 1)?,
        configured: get(row, 2)?,
        is_standby: get(row, 3)?,
        system_identifier: get(row, 4)?,
        wal_bytes: get(row, 5)?,
    })
}

/// Everything that must not reach its limit, the nearest first.
///
/// # Errors
/// As [`Session::query`].
pub fn limits(session: &Session) -> Result<Vec<Limit>, Error> {
    let read = |row| {
        Ok(Limit {
            name: get(row, 0)?,
            used: get(row, 1)?,
            most: get(row, 2)?,
            unit: get(row, 3)?,
            of: get(row, 4)?,
        })
    };
    session.query(include_str!("../queries/limits.sql"), &[])?.iter().map(read).collect()
}

/// A restart and a new configuration are changes too.
fn of_identity(identity: &ServerIdentity, seen: &ServerStatus) -> Vec<Event> {
    let started = (identity.started, format!("server started, version {}", identity.version));
    let configured = (identity.configured, "configuration read again".to_owned());
    // At the start both happen; a reload right after it is no news either.
    let only_start = seconds_between(identity.started, identity.configured) < 10.0;
    let all = if only_start { vec![started] } else { vec![started, configured] };
    all.into_iter()
        .filter(|(at, _)| seconds_between(*at, seen.at) <= STARTED_WITHIN_S)
        .map(|(at, what)| Event {
            at,
            server: seen.server.clone(),
            kind: EventKind::Change,
            subject: "server".to_owned(),
            actor: "unknown role".to_owned(),
            what,
            source: Source::new(SourceKind::Catalog, "pg_postmaster_start_time"),
        })
        .collect()
}

/// Nothing where no DDL log is kept; `pgward doctor` says so.
fn recent_ddl(session: &Session, seen: &ServerStatus) -> Result<Vec<Event>, Error> {
    if !install::has_ddl_log(session)? {
        return Ok(Vec::new());
    }
    let newest: i64 =
        session.query_one("SELECT COALESCE(pg_catalog.max(id), 0) FROM pgward.ddl_log", &[])?;
    let events = install::read_ddl(session, newest.saturating_sub(DDL_ROWS))?;
    Ok(events
        .into_iter()
        .map(|(_, ddl)| ddl)
        .filter(|ddl| seconds_between(ddl.at, seen.at) <= DDL_WITHIN_S)
        .map(|ddl| Event {
            at: ddl.at,
            server: seen.server.clone(),
            kind: EventKind::Change,
            subject: ddl.identity.clone(),
            actor: ddl.role,
            what: format!("{} {}", ddl.command, ddl.identity),
            source: Source::new(SourceKind::Ddl, ddl.lsn.unwrap_or_default()),
        })
        .collect())
}
