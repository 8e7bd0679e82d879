//! Who is connected, what they do, and who waits for whom.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::session::{Row, Session, get, own};
use std::collections::{BTreeSet, HashMap};

pub(super) static SAMPLER: Sampler =
    Sampler { id: "sessions", period_s: 1.0, rights: "pg_monitor", take };

/// What PostgreSQL shows in place of a statement that this role may not see.
const HIDDEN: &str = "<insufficient privilege>";
/// As in `sessions.sql` and `locks.sql`, which fetch one more to show that there are more.
const SESSIONS_MAX: usize = 2_000;
const LOCKS_MAX: usize = 20_000;

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    read_into(eyes.session()?, sample)
}

/// Reads them for a sampler that must know who did something, in a tick that did not. Where that
/// fails it stays unknown who it was, which is told.
pub(super) fn ensure(eyes: &mut Eyes, sample: &mut Sample) {
    if sample.sessions.is_empty()
        && let Err(error) = take(eyes, sample)
    {
        gap(sample, error.to_string());
    }
}

/// Fills the sessions of a sample over a session of anyone's.
pub(crate) fn read_into(session: &Session, sample: &mut Sample) -> Result<(), Error> {
    let (pids, starts) = own::backends();
    let rows = session.query(include_str!("../../queries/sessions.sql"), &[&pids, &starts])?;
    sample.sessions = rows.iter().take(SESSIONS_MAX).map(read).collect::<Result<_, _>>()?;
    if rows.len() > SESSIONS_MAX {
        gap(sample, format!("more than {SESSIONS_MAX} sessions; those that wait were kept"));
    }
    let n_hidden = sample.sessions.iter().filter(|s| s.query == HIDDEN).count();
    if n_hidden > 0 {
        let role = session.target().role();
        gap(
            sample,
            format!(
                "{n_hidden} sessions of other roles hide their state and statement: \
                 GRANT pg_monitor TO {role}"
            ),
        );
    }
    let waiting: BTreeSet<Pid> =
        sample.sessions.iter().filter(|s| !s.blocked_by.is_empty()).map(|s| s.pid).collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let mut wanted = waiting.clone();
    wanted.extend(sample.sessions.iter().flat_map(|s| s.blocked_by.iter().copied()));
    let pids: Vec<Pid> = wanted.into_iter().collect();
    let locks = session.query(include_str!("../../queries/locks.sql"), &[&pids])?;
    if locks.len() > LOCKS_MAX {
        gap(sample, format!("more than {LOCKS_MAX} locks of blockers and waiters"));
    }
    let position: HashMap<Pid, usize> =
        sample.sessions.iter().enumerate().map(|(i, s)| (s.pid, i)).collect();
    for row in locks.iter().take(LOCKS_MAX) {
        let pid: Pid = get(row, 0)?;
        if let Some(session) = position.get(&pid).and_then(|i| sample.sessions.get_mut(*i)) {
            note_lock(session, row)?;
        }
    }
    for session in &mut sample.sessions {
        name_row_wait(session);
    }
    if sample.sessions.iter().any(|s| s.blocked_by.contains(&0)) {
        let blocker = prepared(session, sample)?;
        sample.sessions.extend(blocker);
    }
    Ok(())
}

/// The prepared transaction that others wait for, as a session without a process: pid 0, its gid
/// in place of the application. `pg_blocking_pids` does not say which it is: the oldest one that
/// holds a table which somebody waits on, else the oldest.
fn prepared(session: &Session, sample: &Sample) -> Result<Option<SessionSample>, Error> {
    let mut all: Vec<SessionSample> = Vec::new();
    for row in session.query(include_str!("../../queries/prepared.sql"), &[])? {
        let gid: String = get(&row, 0)?;
        if all.last().is_none_or(|last| last.application != gid) {
            all.push(prepared_one(session, &row, gid)?);
        }
        let relation = get::<Option<String>>(&row, 5)?.zip(get::<Option<String>>(&row, 6)?);
        if let (Some(last), Some((schema, name))) = (all.last_mut(), relation) {
            last.holds
                .push(HeldLock { mode: get(&row, 4)?, relation: Relation::new(schema, name) });
        }
    }
    let waiters = sample.sessions.iter().filter(|s| s.blocked_by.contains(&0));
    let wanted: BTreeSet<&Relation> =
        waiters.filter_map(|s| s.waits_for.as_ref()?.relation.as_ref()).collect();
    let holds = |s: &SessionSample| s.holds.iter().any(|h| wanted.contains(&h.relation));
    let at = all.iter().position(holds).unwrap_or(0);
    Ok((at < all.len()).then(|| all.swap_remove(at)))
}

fn prepared_one(session: &Session, row: &Row, gid: String) -> Result<SessionSample, Error> {
    let since: Timestamp = get(row, 2)?;
    let xid: String = get(row, 3)?;
    Ok(SessionSample {
        pid: 0,
        role: get(row, 1)?,
        client: String::new(),
        database: session.target().database().to_owned(),
        backend_start: since,
        xact_start: Some(since),
        query_start: None,
        state_change: Some(since),
        state: "prepared".to_owned(),
        wait_type: String::new(),
        wait_event: String::new(),
        xid: xid.parse().ok(),
        query: format!("PREPARE TRANSACTION '{}'", gid.replace('\'', "''")),
        query_id: 0,
        blocked_by: Vec::new(),
        waits_for: None,
        holds: Vec::new(),
        application: gid,
    })
}

fn gap(sample: &mut Sample, why: String) {
    sample.gaps.push(Gap { sampler: SAMPLER.id.to_owned(), why });
}

fn read(row: &Row) -> Result<SessionSample, pgward_pg::error::Error> {
    let xid: Option<String> = get(row, 12)?;
    Ok(SessionSample {
        pid: get(row, 0)?,
        role: get(row, 1)?,
        application: get(row, 2)?,
        client: get(row, 3)?,
        database: get(row, 4)?,
        backend_start: get(row, 5)?,
        xact_start: get(row, 6)?,
        query_start: get(row, 7)?,
        state_change: get(row, 8)?,
        state: get(row, 9)?,
        wait_type: get(row, 10)?,
        wait_event: get(row, 11)?,
        xid: xid.and_then(|x| x.parse().ok()),
        query: pgward_logs::redact(&get::<String>(row, 13)?).into_owned(),
        query_id: get(row, 14)?,
        blocked_by: get(row, 15)?,
        waits_for: None,
        holds: Vec::new(),
    })
}

fn note_lock(session: &mut SessionSample, row: &Row) -> Result<(), Error> {
    let kind: String = get(row, 1)?;
    let mode: String = get(row, 2)?;
    let granted: bool = get(row, 3)?;
    let schema: Option<String> = get(row, 4)?;
    let name: Option<String> = get(row, 5)?;
    let relation = schema.zip(name).map(|(s, n)| Relation::new(s, n));
    match (granted, relation) {
        (false, relation) => {
            let since = get(row, 6)?;
            session.waits_for = Some(WaitedLock { kind, mode, relation, since });
        }
        (true, Some(relation)) => match session.holds.iter_mut().find(|h| h.relation == relation) {
            Some(held) if stronger(&mode, &held.mode) => held.mode = mode,
            Some(_) => {}
            None => session.holds.push(HeldLock { mode, relation }),
        },
        (true, None) => {}
    }
    Ok(())
}

fn stronger(a: &str, b: &str) -> bool {
    LockMode::from_pg_name(a) > LockMode::from_pg_name(b)
}

/// A wait for another transaction does not say which table its row is of; the strongest
/// table lock that the waiter holds does.
fn name_row_wait(session: &mut SessionSample) {
    let Some(wait) = &mut session.waits_for else { return };
    if wait.kind == "transactionid" && wait.relation.is_none() {
        wait.relation = session
            .holds
            .iter()
            .filter(|h| LockMode::from_pg_name(&h.mode) >= Some(LockMode::RowShare))
            .max_by_key(|h| LockMode::from_pg_name(&h.mode))
            .map(|h| h.relation.clone());
    }
}
