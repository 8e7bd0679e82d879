//! The journal in the guarded database: what is about to be done is durable before it is done,
//! and what was refused is remembered.

use crate::error::Error;
use crate::session::{Row, Session, get};
use jiff::Timestamp;
use pgward_model::prelude::{Change, GateReport, JournalEntry, JournalState, Undo};

/// One line of the journal, with what [`JournalEntry`] does not say.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub entry: JournalEntry,
    /// 1 for the first time the change was applied, 2 for the second, ...
    pub run: i32,
    /// Did it run in a transaction that also wrote its state? Then `Intended` means that it
    /// left nothing; otherwise it means "perhaps".
    pub transactional: bool,
    pub rows: Option<u64>,
    pub error: Option<String>,
}

/// What `pgward.changes` says of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeState {
    Refused,
    Applied,
    Undone,
}

impl ChangeState {
    fn word(self) -> &'static str {
        match self {
            ChangeState::Refused => "refused",
            ChangeState::Applied => "applied",
            ChangeState::Undone => "undone",
        }
    }
}

fn state_word(state: JournalState) -> &'static str {
    match state {
        JournalState::Intended => "intended",
        JournalState::Done => "done",
        JournalState::Failed => "failed",
        JournalState::Undone => "undone",
    }
}

/// Which run and step is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    pub change_id: &'a str,
    pub run: i32,
    pub step: u32,
}

/// Notes that a step is about to run; durable when this returns.
///
/// # Errors
/// As [`Session::query`].
pub fn intend(
    session: &Session,
    key: Key<'_>,
    statement: &str,
    transactional: bool,
    undo: &Undo,
) -> Result<(), Error> {
    session.simple("SET synchronous_commit = on")?;
    session.execute(
        "INSERT INTO pgward.journal (change_id, run, step, statement, transactional, undo, state) \
         VALUES ($1, $2, $3, $4, $5, $6, 'intended') \
         ON CONFLICT (change_id, run, step) DO UPDATE \
         SET statement = EXCLUDED.statement, undo = EXCLUDED.undo, state = 'intended', \
             transactional = EXCLUDED.transactional, ended_at = NULL, error = NULL, \
             intended_at = pg_catalog.clock_timestamp()",
        &[
            &key.change_id,
            &key.run,
            &i32::try_from(key.step).unwrap_or(i32::MAX),
            &statement,
            &transactional,
            &as_json(undo),
        ],
    )?;
    Ok(())
}

/// Notes how a step ended. Within the step's own transaction this is atomic with the step.
///
/// # Errors
/// As [`Session::query`]; [`Error::Server`] when the intent is not there.
pub fn ended(
    session: &Session,
    key: Key<'_>,
    state: JournalState,
    rows: Option<u64>,
    error: Option<&str>,
) -> Result<(), Error> {
    let n = session.execute(
        "UPDATE pgward.journal \
         SET state = $4, n_rows = COALESCE($5, n_rows), error = $6, \
             ended_at = pg_catalog.clock_timestamp() \
         WHERE change_id = $1 AND run = $2 AND step = $3",
        &[
            &key.change_id,
            &key.run,
            &i32::try_from(key.step).unwrap_or(i32::MAX),
            &state_word(state),
            &rows.and_then(|r| i64::try_from(r).ok()),
            &error,
        ],
    )?;
    if n == 1 {
        return Ok(());
    }
    let Key { change_id, run, step } = key;
    Err(Error::Server { what: format!("journal: no line for {change_id}, run {run}, step {step}") })
}

/// The lines of a change's newest run, in order of steps; empty when it never ran.
///
/// # Errors
/// As [`Session::query`].
pub fn newest_run(session: &Session, change_id: &str) -> Result<Vec<Line>, Error> {
    let rows = session.query(
        "SELECT change_id, run, step, statement, transactional, undo, state, \
             COALESCE(ended_at, intended_at), n_rows, error \
         FROM pgward.journal \
         WHERE change_id = $1 \
             AND run = (SELECT pg_catalog.max(run) FROM pgward.journal WHERE change_id = $1) \
         ORDER BY step",
        &[&change_id],
    )?;
    rows.iter().map(line).collect()
}

/// Newest lines of all changes, newest first.
///
/// # Errors
/// As [`Session::query`].
pub fn newest(session: &Session, limit: i64) -> Result<Vec<Line>, Error> {
    let rows = session.query(
        "SELECT change_id, run, step, statement, transactional, undo, state, \
             COALESCE(ended_at, intended_at), n_rows, error \
         FROM pgward.journal \
         ORDER BY intended_at DESC, step DESC \
         LIMIT $1",
        &[&limit],
    )?;
    rows.iter().map(line).collect()
}

fn line(row: &Row) -> Result<Line, Error> {
    let change_id: String = get(row, 0)?;
    let undo: serde_json::Value = get(row, 5)?;
    let word: String = get(row, 6)?;
    let state = match word.as_str() {
        "done" => JournalState::Done,
        "failed" => JournalState::Failed,
        "undone" => JournalState::Undone,
        _ => JournalState::Intended,
    };
    let undo = serde_json::from_value(undo).unwrap_or_else(|error| Undo::Impossible {
        why: format!("the journal of {change_id} holds an undo this version cannot read: {error}"),
    });
    Ok(Line {
        run: get(row, 1)?,
        transactional: get(row, 4)?,
        rows: get::<Option<i64>>(row, 8)?.and_then(|n| u64::try_from(n).ok()),
        error: get(row, 9)?,
        entry: JournalEntry {
            change_id,
            step: u32::try_from(get::<i32>(row, 2)?).unwrap_or(0),
            statement: get(row, 3)?,
            undo,
            state,
            at: get(row, 7)?,
        },
    })
}

/// Remembers what became of a change, so that it is recognised when it comes round again.
///
/// # Errors
/// As [`Session::query`].
pub fn remember(
    session: &Session,
    change: &Change,
    report: &GateReport,
    state: ChangeState,
) -> Result<(), Error> {
    session.execute(
        "INSERT INTO pgward.changes (change_id, state, change, report) \
         VALUES ($1, $2, $3, $4) \
         ON CONFLICT (change_id) DO UPDATE \
         SET state = EXCLUDED.state, change = EXCLUDED.change, report = EXCLUDED.report, \
             role = EXCLUDED.role, at = EXCLUDED.at \
         WHERE NOT (pgward.changes.state = 'applied' AND EXCLUDED.state = 'refused')",
        &[&change.id, &state.word(), &as_json(change), &as_json(report)],
    )?;
    Ok(())
}

/// Will this role be able to keep the journal, or to make the one that is missing? Says whether
/// there is one.
///
/// # Errors
/// As [`Session::query`]; [`Error::Refused`] where it will not.
pub fn may_keep(session: &Session) -> Result<bool, Error> {
    let there = "SELECT pg_catalog.to_regclass('pgward.changes') IS NOT NULL";
    let refused = |why: &str| Error::Refused { step: "the journal".into(), why: why.into() };
    if !session.query_one::<bool>(there, &[])? {
        let may_make = "SELECT pg_catalog.has_database_privilege(\
                        pg_catalog.current_database(), 'CREATE')";
        return match session.query_one::<bool>(may_make, &[])? {
            true => Ok(false),
            false => Err(refused("it is not there, and permission denied to make it")),
        };
    }
    let may_write = "SELECT pg_catalog.has_table_privilege('pgward.journal', 'SELECT') \
                     AND pg_catalog.has_table_privilege('pgward.journal', 'INSERT') \
                     AND pg_catalog.has_table_privilege('pgward.journal', 'UPDATE') \
                     AND pg_catalog.has_table_privilege('pgward.changes', 'SELECT') \
                     AND pg_catalog.has_table_privilege('pgward.changes', 'INSERT') \
                     AND pg_catalog.has_table_privilege('pgward.changes', 'UPDATE')";
    if !session.query_one::<bool>(may_write, &[])? {
        return Err(refused("permission denied to write it"));
    }
    Ok(true)
}

/// When the change was applied, where none of it was undone since.
///
/// # Errors
/// As [`Session::query`]; 42P01 where there is no journal.
pub fn applied_at(session: &Session, change_id: &str) -> Result<Option<Timestamp>, Error> {
    let applied = "SELECT c.at FROM pgward.changes c \
                   WHERE c.change_id = $1 AND c.state = 'applied' AND NOT EXISTS ( \
                       SELECT FROM pgward.journal j \
                       WHERE j.change_id = $1 AND j.state = 'undone' AND j.run = ( \
                           SELECT max(n.run) FROM pgward.journal n WHERE n.change_id = $1))";
    let rows = session.query(applied, &[&change_id])?;
    rows.first().map(|row| get(row, 0)).transpose()
}

/// Only the state of a change that is remembered already.
///
/// # Errors
/// As [`Session::query`].
pub fn mark(session: &Session, change_id: &str, state: ChangeState) -> Result<(), Error> {
    session.execute(
        "UPDATE pgward.changes SET state = $2, at = pg_catalog.clock_timestamp() \
         WHERE change_id = $1",
        &[&change_id, &state.word()],
    )?;
    Ok(())
}

/// A remembered change.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    pub change: Change,
    pub report: GateReport,
    pub state: ChangeState,
}

/// Changes remembered, newest first; those an older pgward wrote in words this one does not
/// know are left out and counted.
///
/// # Errors
/// As [`Session::query`].
pub fn remembered(session: &Session, limit: i64) -> Result<(Vec<Remembered>, usize), Error> {
    let rows = session.query(
        "SELECT state, change, report FROM pgward.changes ORDER BY at DESC LIMIT $1",
        &[&limit],
    )?;
    let mut known = Vec::new();
    let mut unreadable = 0;
    for row in &rows {
        let state = match get::<String>(row, 0)?.as_str() {
            "applied" => ChangeState::Applied,
            "undone" => ChangeState::Undone,
            _ => ChangeState::Refused,
        };
        let change = serde_json::from_value(get(row, 1)?);
        let report = serde_json::from_value(get(row, 2)?);
        match (change, report) {
            (Ok(change), Ok(report)) => known.push(Remembered { change, report, state }),
            _ => unreadable += 1,
        }
    }
    Ok((known, unreadable))
}

/// Holds the database's one place for changes while `session` lives: two who change the same
/// database at once take turns. The key is `hashtext('pgward apply')`.
///
/// # Errors
/// As [`Session::query`]; [`Error::NotNow`] when somebody else is there.
pub fn take_turn(session: &Session, change_id: &str) -> Result<(), Error> {
    let mine: bool = session.query_one(
        "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtext('pgward apply'))",
        &[],
    )?;
    if mine {
        return Ok(());
    }
    Err(Error::NotNow {
        step: format!("change {change_id}"),
        why: "another pgward is changing this database right now; wait until it is done".to_owned(),
    })
}

fn as_json<T: serde::Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or(serde_json::Value::Null)
}
