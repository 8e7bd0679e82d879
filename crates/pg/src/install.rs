//! What pgward keeps in a guarded database: the schema `pgward`, its DDL log, and how to remove
//! every trace of both.

use crate::error::Error;
use crate::session::{Row, Session, get};
use pgward_model::prelude::{DdlEvent, DdlWitness, Relation, quote_ident};
use std::collections::BTreeSet;

/// What is there after [`install`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Installed {
    /// Event triggers write every DDL command to `pgward.ddl_log`.
    pub ddl_log: bool,
    /// What could not be installed, why, and what works less well without it.
    pub missing: Vec<String>,
}

/// One who installs may not wait long behind one who drops a schema: 2 s as every short step.
const SHORT: &str = "SET LOCAL lock_timeout = 2000; SET LOCAL statement_timeout = 60000;";
/// Two who install at once take turns; the key is `hashtext('pgward install')` of PostgreSQL 15.
const TURNS: &str =
    "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('pgward install'))";

/// Creates the schema `pgward` with the journal and, where the role is a superuser, the DDL log
/// with its event triggers, which nobody else may write or change. May be repeated.
///
/// # Errors
/// As [`Session::query`], when not even the schema can be created; a missing superuser is no
/// error but named in [`Installed::missing`].
pub fn install(session: &Session) -> Result<Installed, Error> {
    install_journal(session)?;
    let mut installed = Installed::default();
    match in_one(session, include_str!("../queries/install_ddl_log.sql")) {
        Ok(()) => installed.ddl_log = true,
        Err(error) if error.is_connection_lost() => return Err(error),
        Err(error) => installed.missing.push(format!(
            "DDL log: event triggers need a superuser ({}); without it DDL is seen by comparing \
             catalogs, with the time only to the second and without the role",
            error.message()
        )),
    }
    Ok(installed)
}

/// Creates the schema and its journal alone: what a change that goes through pgward needs.
///
/// # Errors
/// As [`Session::query`].
pub fn install_journal(session: &Session) -> Result<(), Error> {
    if has_journal(session)? {
        return Ok(());
    }
    in_one(session, include_str!("../queries/install_schema.sql"))
}

/// May this role write to the journal without running what others put there?
///
/// The owner of a table may put a trigger on it, which runs with the rights of whoever writes: a
/// superuser must not write to the journal of a role that is none.
///
/// # Errors
/// [`Error::Refused`] when it must not, with the owner and the way out.
pub fn trust_journal(session: &Session) -> Result<(), Error> {
    let rows = session.query(
        "SELECT r.rolname::text FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_roles r ON r.oid = c.relowner \
         JOIN pg_catalog.pg_roles me ON me.rolname = current_user \
         WHERE c.oid = ANY (ARRAY[pg_catalog.to_regclass('pgward.journal'), \
                pg_catalog.to_regclass('pgward.changes')]::oid[]) \
            AND me.rolsuper AND NOT r.rolsuper",
        &[],
    )?;
    let Some(row) = rows.first() else { return Ok(()) };
    let owner: String = get(row, 0)?;
    Err(Error::Refused {
        step: "the journal".to_owned(),
        why: format!(
            "it belongs to role {owner}, whose triggers would run with the rights of this \
             superuser; work as {owner}, or make it yours: ALTER TABLE pgward.journal OWNER TO \
             CURRENT_USER; ALTER TABLE pgward.changes OWNER TO CURRENT_USER; and look at the \
             triggers on both"
        ),
    })
}

/// Whoever may write to the journal says what an undo runs: a superuser must not run what a role
/// that is none may have written.
///
/// # Errors
/// [`Error::Refused`] when it would, with the role and the way out.
pub fn trust_undo(session: &Session) -> Result<(), Error> {
    let rows = session.query(
        "SELECT coalesce(w.rolname::text, 'PUBLIC') \
         FROM pg_catalog.pg_class c \
         CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a \
         LEFT JOIN pg_catalog.pg_roles w ON w.oid = a.grantee \
         JOIN pg_catalog.pg_roles me ON me.rolname = current_user \
         WHERE c.oid = pg_catalog.to_regclass('pgward.journal')::oid \
            AND a.privilege_type IN ('INSERT', 'UPDATE') \
            AND me.rolsuper AND NOT coalesce(w.rolsuper, false) \
         ORDER BY 1",
        &[],
    )?;
    let Some(row) = rows.first() else { return Ok(()) };
    let writer: String = get(row, 0)?;
    Err(Error::Refused {
        step: "the undo".to_owned(),
        why: format!(
            "{writer} may write to pgward.journal, and what it says would run with the rights of \
             this superuser; undo as {writer}, or read the journal, then REVOKE INSERT, UPDATE ON \
             pgward.journal FROM {writer}"
        ),
    })
}

/// Can this role read the journal and the changes?
///
/// # Errors
/// As [`Session::query`].
pub fn has_journal(session: &Session) -> Result<bool, Error> {
    session.query_one(
        "SELECT pg_catalog.to_regclass('pgward.changes') IS NOT NULL \
            AND pg_catalog.has_table_privilege('pgward.journal', 'SELECT')",
        &[],
    )
}

/// Is the DDL log kept and readable?
///
/// # Errors
/// As [`Session::query`].
pub fn has_ddl_log(session: &Session) -> Result<bool, Error> {
    session.query_one(
        "SELECT pg_catalog.count(*) = 2 \
            AND COALESCE(pg_catalog.has_table_privilege( \
                pg_catalog.to_regclass('pgward.ddl_log')::oid, 'SELECT'), false) \
         FROM pg_catalog.pg_event_trigger \
         WHERE evtname IN ('pgward_ddl_command_end', 'pgward_sql_drop') AND evtenabled <> 'D'",
        &[],
    )
}

/// How many applied changes could be undone by the journal; `None` where nothing of pgward is in
/// this database.
///
/// # Errors
/// As [`Session::query`].
pub fn undoable_changes(session: &Session) -> Result<Option<i64>, Error> {
    let installed: bool = session.query_one(
        "SELECT pg_catalog.to_regnamespace('pgward') IS NOT NULL \
            OR EXISTS (SELECT FROM pg_catalog.pg_event_trigger \
                       WHERE evtname IN ('pgward_ddl_command_end', 'pgward_sql_drop'))",
        &[],
    )?;
    if !installed {
        return Ok(None);
    }
    let readable: bool = session.query_one(
        "SELECT coalesce(pg_catalog.has_table_privilege( \
            pg_catalog.to_regclass('pgward.changes')::oid, 'SELECT'), false)",
        &[],
    )?;
    if !readable {
        return Ok(Some(0));
    }
    let applied = "SELECT pg_catalog.count(*) FROM pgward.changes WHERE state = 'applied'";
    Ok(Some(session.query_one(applied, &[])?))
}

/// Removes every trace: event triggers, functions, log, journal.
///
/// # Errors
/// As [`Session::query`]; nothing is removed then.
pub fn uninstall(session: &Session) -> Result<(), Error> {
    let triggers: bool = session.query_one(
        "SELECT pg_catalog.count(*) > 0 FROM pg_catalog.pg_event_trigger \
         WHERE evtname IN ('pgward_ddl_command_end', 'pgward_sql_drop')",
        &[],
    )?;
    let schema_only = "DROP SCHEMA IF EXISTS pgward CASCADE;";
    let all = include_str!("../queries/uninstall.sql");
    in_one(session, if triggers { all } else { schema_only })
}

/// The least rights of a role that watches, as SQL for a superuser to read and run.
pub fn least_rights_sql(role: &str) -> String {
    let role = quote_ident(role);
    include_str!("../queries/least_rights.sql").replace(":role", &role)
}

/// What a role that deploys needs besides, as SQL for a superuser to read and run after
/// [`install`].
pub fn deploy_rights_sql(role: &str) -> String {
    let role = quote_ident(role);
    include_str!("../queries/deploy_rights.sql").replace(":role", &role)
}

/// What that role needs besides where the vault has no backup, so that the rehearsal copies
/// production's tables.
pub fn rehearsal_rights_sql(role: &str) -> String {
    format!("GRANT pg_read_all_data TO {};", quote_ident(role))
}

fn in_one(session: &Session, sql: &str) -> Result<(), Error> {
    session.simple("BEGIN")?;
    let done = session
        .simple(SHORT)
        .and_then(|_| session.simple(TURNS))
        .and_then(|_| session.simple(sql))
        .and_then(|_| session.simple("COMMIT"));
    if let Err(error) = done {
        if !error.is_connection_lost() {
            session.simple("ROLLBACK")?;
        }
        return Err(error);
    }
    Ok(())
}

/// DDL commands after `after_id`, oldest first, at most 10,000 at a time.
///
/// Ids are given before commit: a transaction that commits late shows up below ids already
/// read. One who follows the log uses [`DdlCursor`], which looks back.
///
/// # Errors
/// As [`Session::query`]; 42P01 or 42501 when the log is not kept or not readable.
pub fn read_ddl(session: &Session, after_id: i64) -> Result<Vec<(i64, DdlEvent)>, Error> {
    let rows = session.query(include_str!("../queries/read_ddl.sql"), &[&after_id])?;
    rows.iter().map(|row| Ok((get(row, 0)?, ddl_event(row)?))).collect()
}

/// Where one who follows the DDL log stands.
#[derive(Debug, Clone, Default)]
pub struct DdlCursor {
    seen: BTreeSet<i64>,
    newest: i64,
}

/// How many ids the cursor looks back for transactions that committed late: one command logs
/// at most 200 rows, so this spans at least five commands of the largest kind.
const LOOK_BACK: i64 = 1_000;

impl DdlCursor {
    /// A cursor that stands at the present.
    ///
    /// # Errors
    /// As [`read_ddl`].
    pub fn at_end(session: &Session) -> Result<DdlCursor, Error> {
        let newest: i64 =
            session.query_one("SELECT COALESCE(pg_catalog.max(id), 0) FROM pgward.ddl_log", &[])?;
        let mut cursor = DdlCursor { seen: BTreeSet::new(), newest };
        cursor.next(session)?;
        Ok(cursor)
    }

    /// Commands not returned before, oldest first.
    ///
    /// # Errors
    /// As [`read_ddl`].
    pub fn next(&mut self, session: &Session) -> Result<Vec<DdlEvent>, Error> {
        let from = self.newest.saturating_sub(LOOK_BACK);
        let mut fresh = Vec::new();
        for (id, event) in read_ddl(session, from)? {
            self.newest = self.newest.max(id);
            if self.seen.insert(id) {
                fresh.push(event);
            }
        }
        self.seen = self.seen.split_off(&self.newest.saturating_sub(LOOK_BACK));
        Ok(fresh)
    }
}

fn ddl_event(row: &Row) -> Result<DdlEvent, Error> {
    let schema: Option<String> = get(row, 9)?;
    let relation: Option<String> = get(row, 10)?;
    Ok(DdlEvent {
        at: get(row, 1)?,
        pid: get(row, 2)?,
        role: get(row, 3)?,
        application: get(row, 4)?,
        client: get(row, 5)?,
        command: get(row, 6)?,
        object_kind: get(row, 7)?,
        identity: get(row, 8)?,
        relation: relation.map(|name| Relation::new(schema.unwrap_or_default(), name)),
        dropped: get(row, 11)?,
        old_definition: get(row, 12)?,
        xid: get::<Option<i64>>(row, 13)?.and_then(|xid| u64::try_from(xid).ok()),
        lsn: get(row, 14)?,
        statement: get(row, 15)?,
        seen_by: DdlWitness::EventTrigger,
    })
}
