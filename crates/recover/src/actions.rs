//! Recovery actions: each makes a runbook for a likely cause. One file each; the file's name
//! is the id that causes name.

use crate::error::Error;
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_sandbox::backup::Vault;
use std::path::PathBuf;

mod advance_sequence;
mod analyze_table;
mod cancel_blocker;
mod cancel_filler;
mod cancel_query;
mod cancel_waiter;
mod drop_new_index;
mod drop_slot;
mod end_idle_sessions;
mod end_oldest_writer;
mod end_xmin_holder;
mod keep_empty_pages;
mod rebuild_index;
mod refill_table;
mod reindex;
mod replace_invalid_index;
mod restore_block;
mod restore_rights;
mod restore_statistics;
mod restore_table;
mod roll_back_prepared;
mod terminate_blocker;
mod undo_migration;
mod undo_rows;
mod widen_key;

/// One action.
#[derive(Debug)]
pub struct Action {
    /// File name.
    pub id: &'static str,
    /// What it does, in the imperative.
    pub title: &'static str,
    /// What it costs and what it cannot do.
    pub price: &'static str,
    /// Plans it; reads from the server, changes nothing.
    pub plan: fn(&Cx<'_>, &Likely, &Case) -> Result<Runbook, Error>,
}

/// What planning may use.
pub struct Cx<'a> {
    /// The session that will act.
    pub session: &'a Session,
    /// Backups and WAL, where there are any.
    pub vault: Option<&'a Vault>,
    /// PostgreSQL's programs of the server's major on this machine.
    pub installation: Option<&'a Installation>,
    /// The server's data directory, when it is on this machine.
    pub data_dir: Option<PathBuf>,
}

/// All actions.
pub static ACTIONS: &[&Action] = &[
    &advance_sequence::ACTION,
    &analyze_table::ACTION,
    &cancel_blocker::ACTION,
    &cancel_filler::ACTION,
    &cancel_query::ACTION,
    &cancel_waiter::ACTION,
    &drop_new_index::ACTION,
    &drop_slot::ACTION,
    &end_idle_sessions::ACTION,
    &end_oldest_writer::ACTION,
    &end_xmin_holder::ACTION,
    &keep_empty_pages::ACTION,
    &rebuild_index::ACTION,
    &refill_table::ACTION,
    &reindex::ACTION,
    &replace_invalid_index::ACTION,
    &restore_block::ACTION,
    &restore_rights::ACTION,
    &restore_statistics::ACTION,
    &restore_table::ACTION,
    &roll_back_prepared::ACTION,
    &terminate_blocker::ACTION,
    &undo_migration::ACTION,
    &undo_rows::ACTION,
    &widen_key::ACTION,
];

/// The action of that id.
pub fn action(id: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|a| a.id == id).copied()
}

/// Numbers steps and makes the runbook.
fn runbook(action: &Action, title: String, why: &str, loss: Loss, mut steps: Vec<Step>) -> Runbook {
    for (number, step) in (1..).zip(&mut steps) {
        step.number = number;
    }
    Runbook { action: action.id.to_owned(), title, why: why.to_owned(), steps, loss }
}

/// Nothing acknowledged is lost.
fn lossless(explain: &str) -> Loss {
    Loss { n_rows: Some(0), explain: explain.to_owned() }
}

/// A step without expectations and undo.
fn step(title: impl Into<String>, act: Act, limits: Limits) -> Step {
    Step {
        number: 0,
        title: title.into(),
        act,
        limits,
        expectations: Vec::new(),
        undo: Undo::Nothing,
    }
}

/// The newest sight of a session that the verdict blames.
fn blamed<'a>(
    action: &Action,
    likely: &Likely,
    case: &'a Case,
) -> Result<&'a SessionSample, Error> {
    blamed_that(action, likely, case, |_| true, "the session is gone by itself")
}

/// As [`blamed`], while it still is as the action needs it; else it is refused with `over`.
fn blamed_that<'a>(
    action: &Action,
    likely: &Likely,
    case: &'a Case,
    still: impl Fn(&SessionSample) -> bool,
    over: &str,
) -> Result<&'a SessionSample, Error> {
    let newest = case.window.last().ok_or_else(|| plan(action, "there is no sample"))?;
    let mut sessions = newest.sessions.iter();
    if newest.sessions.is_empty() {
        let why = "the last sample has no sessions".to_owned();
        return Err(Error::NotYet { action: action.id, why });
    }
    sessions.find(|s| likely.pids.contains(&s.pid) && still(s)).ok_or_else(|| plan(action, over))
}

/// Does anybody wait in a lock queue still? Where it is over, what else is wrong is not to wait for an
/// answer to it.
fn queue_stands(case: &Case) -> bool {
    let now = case.window.now();
    case.symptoms.iter().any(|s| s.detector == "lock_queue" && s.is_present(now))
}

/// As [`blamed`], while it runs a statement.
fn at_work<'a>(
    action: &Action,
    likely: &Likely,
    case: &'a Case,
) -> Result<&'a SessionSample, Error> {
    let is_active = |s: &SessionSample| s.state == "active";
    blamed_that(action, likely, case, is_active, "the statement has ended by itself")
}

/// A signal to the backend that was seen, and to no other that got its pid.
fn signal(title: String, session: &SessionSample, signal: BackendSignal, still: Still) -> Step {
    let (pid, backend_start) = (session.pid, session.backend_start);
    step(title, Act::Signal { pid, backend_start, signal, still }, Limits::SHORT)
}

/// Cancels the statement that the session runs, and no later one.
fn cancel(session: &SessionSample, claim: &str, within_ms: u64) -> Step {
    let still = Still {
        state: Some("active".to_owned()),
        query_start: session.query_start,
        ..Still::default()
    };
    let title = format!("cancel the statement of pid {} of role {}", session.pid, session.role);
    let mut cancel = signal(title, session, BackendSignal::Cancel, still);
    cancel.expectations = vec![Expectation {
        claim: format!("pid {} {claim}", session.pid),
        sql: format!(
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.pid = {} \
             AND a.state = 'active' AND a.query_start = '{}'::timestamptz)",
            session.pid,
            session.query_start.map_or("infinity".to_owned(), |t| t.to_string())
        ),
        within_ms,
    }];
    cancel
}

/// Ends the session while it is in the transaction it was seen in.
fn end(session: &SessionSample, still: Still) -> Step {
    let still = Still { xact_start: session.xact_start, ..still };
    let title = format!("end pid {} of {}", session.pid, session.called());
    let mut end = signal(title, session, BackendSignal::Terminate, still);
    end.undo = Undo::Impossible {
        why: "a session cannot be given back; its owner may run it again".into(),
    };
    end
}

/// And while it is in the state it was seen in: idle, say.
fn in_its_state(session: &SessionSample) -> Still {
    Still { state: Some(session.state.clone()), ..Still::default() }
}

/// The session is no more, as a check.
fn is_gone(session: &SessionSample, claim: &str) -> Expectation {
    Expectation {
        claim: format!("pid {} {claim}", session.pid),
        sql: format!(
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a \
             WHERE a.pid = {} AND a.backend_start = '{}'::timestamptz)",
            session.pid, session.backend_start
        ),
        within_ms: 5_000,
    }
}

/// What ends when the signal works, as a check.
fn nobody_waits_for(pid: Pid) -> Expectation {
    Expectation {
        claim: format!("no session waits for pid {pid}"),
        sql: format!(
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a \
             WHERE a.wait_event_type = 'Lock' AND {pid} = ANY (pg_catalog.pg_blocking_pids(a.pid)))"
        ),
        within_ms: 5_000, // a rollback of many rows takes none; 5 s is half of users' patience
    }
}

/// What the counting query answers; `None` when that takes too long or fails.
fn bounded_count(session: &Session, sql: &str) -> Option<u64> {
    session.simple(BOUNDED).ok()?;
    let n = session.query_one::<i64>(sql, &[]);
    session.simple("ROLLBACK").ok()?;
    u64::try_from(n.ok()?).ok()
}

/// Planning must not hold up the answer: half of what a recovery may take to begin.
const BOUNDED: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout = '10s'";

/// `schema."my.idx"` as the catalog quotes it, in its parts; the schema is empty where none is
/// given. `None` where it is no such name.
fn identity(text: &str) -> Option<Relation> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut quoted, mut chars) = (false, text.chars().peekable());
    while let Some(c) = chars.next() {
        match (c, quoted) {
            ('"', true) if chars.peek() == Some(&'"') => part.extend(chars.next()),
            ('"', _) => quoted = !quoted,
            ('.', false) => parts.push(std::mem::take(&mut part)),
            (c, _) => part.push(c),
        }
    }
    parts.push(part);
    if quoted || parts.iter().any(String::is_empty) {
        return None;
    }
    match parts.as_slice() {
        [name] => Some(Relation::new("", name.clone())),
        [schema, name] => Some(Relation::new(schema.clone(), name.clone())),
        _ => None,
    }
}

/// The index that an event made or dropped; its schema is that of its table.
fn index_of(event: &DdlEvent) -> Option<Relation> {
    let mut index = identity(&event.identity)?;
    if index.schema.is_empty() {
        index.schema = event.relation.as_ref().map_or(String::new(), |r| r.schema.clone());
    }
    Some(index)
}

/// The index as it is, or why it must stay though it came with the trouble.
fn droppable(
    catalog: &Catalog,
    index: &Relation,
    table: Option<&Relation>,
) -> Result<IndexInfo, String> {
    let (owner, info) =
        catalog.index(index).ok_or_else(|| format!("index {index} is gone already"))?;
    if info.constraint || info.primary {
        return Err(format!("index {index} backs a constraint"));
    }
    if info.unique {
        return Err(format!("index {index} is unique: it keeps out duplicates"));
    }
    match table {
        Some(table) if owner.relation.same_as(table) => Ok(info.clone()),
        _ => Err(format!("index {index} belongs to {}", owner.relation)),
    }
}

fn plan(action: &Action, why: impl Into<String>) -> Error {
    Error::Plan { action: action.id, why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_names_are_split_where_postgresql_splits_them() {
        for (text, parts) in [
            ("public.orders_a", Some(("public", "orders_a"))),
            ("orders_a", Some(("", "orders_a"))),
            ("shop.\"my.idx\"", Some(("shop", "my.idx"))),
            ("\"a.b\".\"c\"\"d\"", Some(("a.b", "c\"d"))),
            ("a.b.c", None),
            ("a.\"b", None),
            ("", None),
        ] {
            let expected = parts.map(|(schema, name)| Relation::new(schema, name));
            assert_eq!(identity(text), expected, "{text}");
        }
    }

    #[test]
    fn every_file_is_registered_under_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/actions");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        assert_eq!(files, ACTIONS.iter().map(|a| a.id).collect::<Vec<_>>());
    }

    #[test]
    fn causes_name_only_actions_that_exist_and_every_action_is_named() {
        let named: Vec<&str> = pgward_incident::causes::CAUSES
            .iter()
            .flat_map(|c| c.actions.iter().copied())
            .collect();
        for id in &named {
            assert!(action(id).is_some(), "{id}");
        }
        for action in ACTIONS {
            assert!(named.contains(&action.id), "{}", action.id);
        }
    }
}
