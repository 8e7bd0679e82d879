//! Brings dropped tables back with everything that went with them, in one transaction.

use super::closure::{self, Closure, Entry, Member};
use super::{Report, lock_timeout_ms, on_side, say, within};
use crate::error::Error;
use pgward_model::name::{Relation, quote_ident, quote_literal};
use pgward_model::runbook::Limits;
use pgward_pg::prelude::*;
use pgward_pg::server::GuardedDir;
use pgward_pg::session::get;
use pgward_pg::tools::{self, RunAs};
use pgward_sandbox::side::SideServer;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// A foreign key of the side server.
struct ForeignKey {
    name: String,
    /// The table it belongs to.
    table: Relation,
    partitioned: bool,
    definition: String,
    validated: bool,
}

/// A table whose rows are copied.
struct Load {
    relation: Relation,
    /// Quoted, without generated ones.
    columns: Vec<String>,
}

/// Passes the rows on and counts them: as COPY prints them, each is one line.
struct Counted<'a> {
    to: &'a mut dyn Write,
    n_rows: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes)?;
        let done = bytes.get(..written).unwrap_or(bytes);
        self.n_rows += done.iter().filter(|b| **b == b'\n').count() as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// Everything one restore works with.
struct Work<'a> {
    production: &'a Target,
    side: Target,
    installation: &'a Installation,
    dir: GuardedDir,
    deadline: clock::Deadline,
    lock_timeout_ms: u64,
}

/// `synchronous_commit`, `fsync` and the like stay as they are; only memory for the indexes.
const MAINTENANCE_WORK_MEM: &str = "256MB";

/// How long between two tries to get a short lock on a busy table.
const LOCK_RETRY: Duration = Duration::from_millis(200);

/// Restores `relations`, which production no longer has, as they are on `side`: rows,
/// indexes, keys, keys of other tables that pointed to them, views, rights, owners, owned
/// sequences, triggers, policies, comments, statistics, publications. Clients see all of a
/// table or nothing. Later rows of other tables stay; a foreign key they break is added as
/// NOT VALID and reported.
///
/// # Errors
/// [`Error::NotOnSide`], [`Error::Exists`]; [`Error::Pg`] with the words of the tool that
/// failed, and nothing is changed; [`Error::Incomplete`] when something is missing in the end.
pub fn objects(
    production: &Target,
    side: &SideServer,
    relations: &[Relation],
    limits: &Limits,
) -> Result<Report, Error> {
    let start = clock::instant();
    let work = Work {
        production,
        side: on_side(side, production),
        installation: side.installation(),
        dir: GuardedDir::for_us()?,
        deadline: clock::Deadline::after(within(limits)),
        lock_timeout_ms: lock_timeout_ms(limits),
    };
    let there = Session::connect(&work.side, Purpose::Private)?;
    let here = Session::connect(production, Purpose::Recover)?;
    let relations = &with_schema(relations);
    check_names(&here, &there, relations)?;
    // What the transaction of the accident had locked by then (of a partition, the whole table)
    // stays locked while replay is paused, and pg_dump would wait for it. Its end takes nothing
    // away: that transaction has not committed there.
    if there.query_one(LOCKED_BY_REPLAY, &[])? {
        side.promote()?;
    }
    // Definitions printed under an empty path name every schema.
    there.simple("SET search_path = ''")?;
    let closure = closure::read(&there, relations)?;
    let archive = work.dir.path().join("side.dump");
    let on_side = closure::dump(&work.side, work.installation, &archive, work.deadline.left())?;
    let missing = missing(&work, &closure, &on_side)?;
    let (keys, entries): (Vec<Entry>, Vec<Entry>) =
        missing.into_iter().partition(|e| e.is("FK CONSTRAINT"));
    let mut report = Report {
        objects: entries.iter().chain(&keys).map(|e| e.name.clone()).collect(),
        ..Report::default()
    };
    let restored: Vec<&Member> =
        closure.relations.iter().filter(|m| entries.iter().any(|e| is_entry_of(e, m))).collect();
    let loads = loads(&there, &restored, &mut report.notes)?;
    report.rows_restored = load(&work, &there, &archive, &entries, &restored, &loads)?;
    for key in foreign_keys(&there, &keys)? {
        add_foreign_key(&work, &here, &key, &mut report.notes)?;
    }
    prove(&work, &here, &closure, &on_side, &restored, &report.notes)?;
    report.seconds = tools::seconds_since(start);
    Ok(report)
}

const LOCKED_BY_REPLAY: &str = "
SELECT pg_catalog.pg_is_in_recovery()
   AND EXISTS (SELECT FROM pg_catalog.pg_locks WHERE mode = 'AccessExclusiveLock' AND granted)";

/// Where a name has no schema, `public` is meant.
fn with_schema(relations: &[Relation]) -> Vec<Relation> {
    let schema = |r: &Relation| if r.schema.is_empty() { "public" } else { &r.schema }.to_owned();
    relations.iter().map(|r| Relation::new(schema(r), &r.name)).collect()
}

/// Are these relations gone from production, as those are that [`objects`] brings back? To be
/// asked before it is planned: it costs nothing yet.
///
/// # Errors
/// [`Error::Exists`] names the first that is still there.
pub fn check_gone(production: &Session, relations: &[Relation]) -> Result<(), Error> {
    for relation in with_schema(relations) {
        if exists(production, &relation)? {
            return Err(Error::Exists { relation });
        }
    }
    Ok(())
}

fn exists(session: &Session, relation: &Relation) -> Result<bool, Error> {
    let sql = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
    Ok(session.query_one(sql, &[&relation.quoted()])?)
}

fn check_names(here: &Session, there: &Session, relations: &[Relation]) -> Result<(), Error> {
    check_gone(here, relations)?;
    for relation in relations {
        if !exists(there, relation)? {
            let point = "the side server's point in time".to_owned();
            return Err(Error::NotOnSide { relation: relation.clone(), point });
        }
    }
    Ok(())
}

/// Entries of the closure that production has not.
fn missing(work: &Work<'_>, closure: &Closure, on_side: &[Entry]) -> Result<Vec<Entry>, Error> {
    let archive = work.dir.path().join("production.dump");
    let left = work.deadline.left();
    let there = closure::dump(work.production, work.installation, &archive, left)?;
    let there: std::collections::HashSet<&str> = there.iter().map(|e| e.name.as_str()).collect();
    Ok(on_side
        .iter()
        .filter(|e| closure.holds(e) && !there.contains(e.name.as_str()))
        .filter(|e| !e.is("STATISTICS DATA")) // 18 on; we ANALYZE
        .cloned()
        .collect())
}

fn is_entry_of(entry: &Entry, member: &Member) -> bool {
    entry.oid == member.oid
        && ["TABLE", "MATERIALIZED VIEW", "SEQUENCE", "VIEW"].iter().any(|kind| entry.is(kind))
}

fn loads(
    there: &Session,
    restored: &[&Member],
    notes: &mut Vec<String>,
) -> Result<Vec<Load>, Error> {
    let mut loads = Vec::new();
    for member in restored.iter().filter(|m| m.kind == 'r') {
        if member.persistence == 'u' {
            notes.push(format!(
                "{} is unlogged: its rows are in no backup; it is restored empty",
                member.relation
            ));
            continue;
        }
        let columns = there.query(
            "SELECT a.attname::text FROM pg_catalog.pg_attribute a \
             WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped \
               AND a.attgenerated = '' ORDER BY a.attnum",
            &[&member.oid],
        )?;
        let columns = columns
            .iter()
            .map(|row| Ok(quote_ident(&get::<String>(row, 0)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        loads.push(Load { relation: member.relation.clone(), columns });
    }
    Ok(loads)
}

/// One `psql` on production: definitions, rows straight from the side, indexes and the rest,
/// statistics, and only then COMMIT.
fn load(
    work: &Work<'_>,
    there: &Session,
    archive: &Path,
    entries: &[Entry],
    restored: &[&Member],
    loads: &[Load],
) -> Result<u64, Error> {
    let (at_once, last) = attached_last(there, entries, restored)?;
    let before = section(work, archive, &at_once, "pre-data")?;
    let mut after = section(work, archive, &at_once, "post-data")?;
    if !last.is_empty() {
        after.push_str(&section(work, archive, &last, "pre-data")?);
        after.push_str(&section(work, archive, &last, "post-data")?);
    }
    let values = sequence_values(there, restored)?;
    let limits = format!(
        "SET lock_timeout = {};\nSET statement_timeout = 0;\nSET maintenance_work_mem = '{}';\n",
        work.lock_timeout_ms, MAINTENANCE_WORK_MEM
    );
    let mut late = String::new();
    for member in restored.iter().filter(|m| m.kind == 'm') {
        late.push_str(&refresh(there, member)?);
    }
    for load in loads {
        late.push_str(&format!("ANALYZE {};\n", load.relation.quoted()));
    }
    let psql = work.installation.require("psql")?;
    let conninfo = tools::conninfo(work.production);
    let args = ["-X", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-d", &conninfo, "-f", "-"];
    let env = tools::password_env(work.production, Purpose::Recover);
    let left = work.deadline.left();
    let mut n_rows = 0;
    tools::feed(&psql, &args, &env, left, |stdin| {
        say(stdin, "BEGIN;\n")?;
        say(stdin, &before)?;
        say(stdin, &limits)?;
        for load in loads {
            let columns = load.columns.join(", ");
            say(stdin, &format!("COPY {} ({columns}) FROM stdin;\n", load.relation.quoted()))?;
            let n_copied = copy_out(work, load, stdin)?;
            say(stdin, "\\.\n")?;
            say(stdin, &count_check(load, n_copied))?;
            n_rows += n_copied;
        }
        for text in [&values, &after, &limits, &late] {
            say(stdin, text)?;
        }
        say(stdin, "COMMIT;\n")
    })?;
    Ok(n_rows)
}

/// Entries in two parts: those that attach a partition to a table which production still has come
/// last. That table has its keys and indexes, and would make them on the partition where the
/// partition has none of its own yet.
fn attached_last(
    there: &Session,
    entries: &[Entry],
    restored: &[&Member],
) -> Result<(Vec<Entry>, Vec<Entry>), Error> {
    let parents = "SELECT i.inhparent FROM pg_catalog.pg_inherits i
                   JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
                   WHERE i.inhrelid = $1";
    let mut attached = false;
    for member in restored.iter().filter(|m| ['r', 'p', 'f'].contains(&m.kind)) {
        for row in there.query(parents, &[&member.oid])? {
            let parent: u32 = get(&row, 0)?;
            attached |= !restored.iter().any(|m| m.oid == parent);
        }
    }
    let is_last = |e: &Entry| attached && (e.is("TABLE ATTACH") || e.is("INDEX ATTACH"));
    Ok(entries.iter().cloned().partition(|e| !is_last(e)))
}

/// Fails inside the transaction when not all rows have come: `psql` knows how many it copied.
fn count_check(load: &Load, n_rows: u64) -> String {
    let message = quote_literal(&format!("{}: not all {n_rows} rows have come", load.relation));
    format!(
        "SELECT pg_catalog.set_config('pgward.n_rows', :'ROW_COUNT', true);\n\
         DO $pgward$ BEGIN IF pg_catalog.current_setting('pgward.n_rows') <> '{n_rows}' THEN \
         RAISE EXCEPTION USING MESSAGE = {message}; END IF; END $pgward$;\n"
    )
}

fn copy_out(
    work: &Work<'_>,
    load: &Load,
    to: &mut dyn Write,
) -> Result<u64, pgward_pg::error::Error> {
    let columns = load.columns.join(", ");
    let copy = format!("COPY {} ({columns}) TO STDOUT", load.relation.quoted());
    let conninfo = tools::conninfo(&work.side);
    let psql = work.installation.require("psql")?;
    let args = ["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-d", &conninfo, "-c", &copy];
    let mut counted = Counted { to, n_rows: 0 };
    tools::stream(&psql, &args, &[], work.deadline.left(), &mut counted)?;
    Ok(counted.n_rows)
}

/// The SQL of one section of the archive, restricted to `entries`.
fn section(
    work: &Work<'_>,
    archive: &Path,
    entries: &[Entry],
    section: &str,
) -> Result<String, Error> {
    let list = work.dir.path().join("list");
    let lines: Vec<&str> = entries.iter().map(|e| e.line.as_str()).collect();
    fs::write(&list, lines.join("\n") + "\n").map_err(|source| Error::File {
        path: list.clone(),
        what: "cannot be written",
        source,
    })?;
    let (list, archive) = (list.display().to_string(), archive.display().to_string());
    let section = format!("--section={section}");
    let args = ["-f", "-", "-L", &list, &section, &archive];
    let program = work.installation.require("pg_restore")?;
    let sql = tools::run(&program, &args, &[], work.deadline.left(), RunAs::Us)?;
    // Tools of 17 on say this to every server; one of 16 does not know it.
    Ok(sql
        .lines()
        .filter(|line| !line.starts_with("SET transaction_timeout"))
        .map(|line| format!("{line}\n"))
        .collect())
}

fn sequence_values(there: &Session, restored: &[&Member]) -> Result<String, Error> {
    let mut sql = String::new();
    for member in restored.iter().filter(|m| m.kind == 'S') {
        let name = member.relation.quoted();
        let rows = there.query(&format!("SELECT last_value, is_called FROM {name}"), &[])?;
        let Some(row) = rows.first() else { continue };
        let (last, called): (i64, bool) = (get(row, 0)?, get(row, 1)?);
        let literal = quote_literal(&name);
        sql.push_str(&format!("SELECT pg_catalog.setval({literal}, {last}, {called});\n"));
    }
    Ok(sql)
}

fn refresh(there: &Session, view: &Member) -> Result<String, Error> {
    let filled: bool = there.query_one(
        "SELECT c.relispopulated FROM pg_catalog.pg_class c WHERE c.oid = $1",
        &[&view.oid],
    )?;
    let name = view.relation.quoted();
    Ok(if filled { format!("REFRESH MATERIALIZED VIEW {name};\n") } else { String::new() })
}

fn foreign_keys(there: &Session, entries: &[Entry]) -> Result<Vec<ForeignKey>, Error> {
    let oids: Vec<u32> = entries.iter().map(|e| e.oid).collect();
    let rows = there.query(
        "SELECT k.conname::text, n.nspname::text, c.relname::text, c.relkind = 'p', \
                pg_catalog.pg_get_constraintdef(k.oid), k.convalidated \
         FROM pg_catalog.pg_constraint k \
         JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE k.oid = ANY($1) AND k.conparentid = 0 ORDER BY k.oid",
        &[&oids],
    )?;
    rows.iter()
        .map(|row| {
            Ok(ForeignKey {
                name: get(row, 0)?,
                table: Relation::new(get::<String>(row, 1)?, get::<String>(row, 2)?),
                partitioned: get(row, 3)?,
                definition: get(row, 4)?,
                validated: get(row, 5)?,
            })
        })
        .collect()
}

/// First NOT VALID, which takes its locks for a moment only, then VALIDATE, which lets
/// readers and writers go on. Partitioned tables know only the whole step (before 18).
fn add_foreign_key(
    work: &Work<'_>,
    here: &Session,
    key: &ForeignKey,
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let (table, name) = (key.table.quoted(), quote_ident(&key.name));
    let late = if key.partitioned || !key.validated { "" } else { " NOT VALID" };
    let add = format!("ALTER TABLE {table} ADD CONSTRAINT {name} {}{late}", key.definition);
    let told = |error: &pgward_pg::error::Error| {
        format!("foreign key {} of {}: {}", key.name, key.table, error.message())
    };
    match patiently(work, here, &add)? {
        Ok(()) => {}
        Err(error) if key.partitioned && error.sqlstate() == Some("23503") => {
            notes.push(format!("{}; it is missing, {add} adds it", told(&error)));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    if late.is_empty() {
        return Ok(());
    }
    let validate = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}");
    if let Err(error) = patiently(work, here, &validate)? {
        let left = "new rows are checked, old ones are not (NOT VALID)";
        notes.push(format!("{}; {left}; after mending: {validate}", told(&error)));
    }
    Ok(())
}

/// Tries again while the lock is not granted, until the deadline.
fn patiently(
    work: &Work<'_>,
    session: &Session,
    sql: &str,
) -> Result<Result<(), pgward_pg::error::Error>, Error> {
    // The search path is empty, so definitions read on the side name their schemas.
    let sql = format!(
        "BEGIN; SET LOCAL search_path = ''; SET LOCAL lock_timeout = {}; {sql}; COMMIT",
        work.lock_timeout_ms
    );
    let mut last = Ok(());
    clock::poll(work.deadline.left(), LOCK_RETRY, || {
        last = session.simple(&sql).map(|_| ());
        if last.is_err() && !session.is_closed() {
            session.simple("ROLLBACK")?;
        }
        let again = matches!(&last, Err(e) if e.sqlstate() == Some("55P03"));
        Ok::<_, Error>((!again).then_some(()))
    })?;
    Ok(last)
}

/// Nothing of the closure is missing, but for foreign keys that the notes name, and no
/// sequence is behind its column.
fn prove(
    work: &Work<'_>,
    here: &Session,
    closure: &Closure,
    on_side: &[Entry],
    restored: &[&Member],
    notes: &[String],
) -> Result<(), Error> {
    let mut missing: Vec<String> = missing(work, closure, on_side)?
        .into_iter()
        .filter(|e| !(e.is("FK CONSTRAINT") && notes.iter().any(|n| names(n, e))))
        .map(|e| e.name)
        .collect();
    for member in restored.iter().filter(|m| m.kind == 'S') {
        missing.extend(sequence_behind(here, &member.relation)?);
    }
    if missing.is_empty() { Ok(()) } else { Err(Error::Incomplete { missing }) }
}

fn names(note: &str, key: &Entry) -> bool {
    let constraint = key.name.rsplit(' ').nth(1).unwrap_or("");
    note.starts_with(&format!("foreign key {constraint} of "))
}

fn sequence_behind(here: &Session, sequence: &Relation) -> Result<Option<String>, Error> {
    let owner = here.query(
        "SELECT n.nspname::text, c.relname::text, a.attname::text \
         FROM pg_catalog.pg_depend d \
         JOIN pg_catalog.pg_class c ON c.oid = d.refobjid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid \
         WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
           AND d.objid = pg_catalog.to_regclass($1) AND d.deptype IN ('a', 'i') \
           AND a.atttypid IN (20, 21, 23)",
        &[&sequence.quoted()],
    )?;
    let Some(row) = owner.first() else { return Ok(None) };
    let table = Relation::new(get::<String>(row, 0)?, get::<String>(row, 1)?);
    let column: String = get(row, 2)?;
    let sql = format!(
        "SELECT coalesce(pg_catalog.max(t.{})::bigint > s.last_value, false) \
         FROM {} t, {} s GROUP BY s.last_value",
        quote_ident(&column),
        table.quoted(),
        sequence.quoted()
    );
    let rows = here.query(&sql, &[])?;
    let behind = rows.first().map(|row| get::<bool>(row, 0)).transpose()?.unwrap_or(false);
    Ok(behind.then(|| format!("values of {sequence} up to the largest {table}.{column}")))
}
