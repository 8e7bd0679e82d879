//! Runs migrations in order on an empty server of our own and writes down what PostgreSQL says
//! that each statement did.
//!
//! Each statement gets a transaction of its own, so that the locks seen are its own: `BEGIN` and
//! `COMMIT` of a file are left out, and what stands before a `ROLLBACK` runs in one transaction.
//! Sources: `pg_locks`, `pg_class`, and the messages of level `debug1` ("rewriting table",
//! "verifying table", "building index", "validating foreign key constraint"). Of a default
//! partition that is read for rows of a new one no message tells: the transaction's own count of
//! scans does.

use crate::error::Error;
use pgward_model::prelude::*;
use pgward_pg::error::Error as PgError;
use pgward_pg::prelude::*;
use pgward_pg::session::{Notice, get};
use pgward_sql::action::Action;
use pgward_sql::template;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A private server on which changes are traced, one database for each chain of migrations.
pub struct Tracer {
    admin: Session,
    n_databases: u32,
    roles: BTreeSet<String>,
}

/// How long a statement that commits by itself may take to ask for its first lock.
const ASKS_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(1);

impl Tracer {
    /// `server` is the superuser of a private server.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn new(server: &Target) -> Result<Tracer, Error> {
        let admin = Session::connect(server, Purpose::Private)?;
        Ok(Tracer { admin, n_databases: 0, roles: BTreeSet::new() })
    }

    /// Runs the files, in their order, in an empty database; a statement that fails is noted and
    /// the next one is run. `vars` are the values of template variables.
    ///
    /// # Errors
    /// When the server is lost.
    pub fn chain(
        &mut self,
        files: &[ChangeFile],
        vars: &BTreeMap<String, String>,
        mut each: impl FnMut(&ChangeFile),
    ) -> Result<Vec<StatementEffects>, Error> {
        self.n_databases += 1;
        let name = format!("trace_{}", self.n_databases);
        self.admin.simple(&format!("CREATE DATABASE {name} TEMPLATE template0"))?;
        let target = self.admin.target().with_database(&name);
        let mut run = Run {
            session: connect(&target)?,
            looker: connect(&target)?,
            blocker: connect(&target)?,
            known: BTreeMap::new(),
            newest_oid: 0,
            roles: &mut self.roles,
        };
        let mut traced = Vec::new();
        for file in files {
            each(file);
            traced.extend(run.file(file, vars)?);
        }
        drop(run);
        self.admin.simple(&format!("DROP DATABASE {name} WITH (FORCE)"))?;
        Ok(traced)
    }
}

fn connect(target: &Target) -> Result<Session, PgError> {
    Session::connect(target, Purpose::Private)
}

/// What is known of a relation from the last time it was seen.
#[derive(Debug, Clone)]
struct Known {
    relation: Relation,
    kind: char,
    relfilenode: u32,
    columns: BTreeMap<i16, String>,
    constraints: BTreeSet<String>,
}

struct Run<'a> {
    session: Session,
    /// Looks at statements that commit by themselves.
    looker: Session,
    /// Holds such a statement at its first lock until it was looked at.
    blocker: Session,
    known: BTreeMap<u32, Known>,
    /// Relations with a greater oid are of this file.
    newest_oid: u32,
    roles: &'a mut BTreeSet<String>,
}

/// A relation as the catalog has it, and the lock seen on it.
struct Seen {
    oid: u32,
    lock: LockMode,
    /// `None`: it is gone.
    now: Option<(Relation, char, u32)>,
    /// A default partition that the transaction has read from end to end.
    read_as_default: bool,
}

impl Run<'_> {
    fn file(
        &mut self,
        file: &ChangeFile,
        vars: &BTreeMap<String, String>,
    ) -> Result<Vec<StatementEffects>, Error> {
        self.session.simple("RESET SESSION AUTHORIZATION; RESET ALL")?;
        self.newest_oid = self
            .looker
            .query_one::<Option<u32>>("SELECT pg_catalog.max(oid) FROM pg_catalog.pg_class", &[])?
            .unwrap_or(0);
        let mut known = template::definitions(&file.text);
        known.extend(vars.clone());
        let taken_back = taken_back(file);
        let mut traced = Vec::new();
        for (i, statement) in file.statements.iter().enumerate() {
            let back = taken_back.contains(&i);
            let (effects, error) = match statement.kind {
                StatementKind::Begin | StatementKind::Commit => (Vec::new(), None),
                StatementKind::Rollback => {
                    self.session.simple("ROLLBACK")?;
                    (Vec::new(), None)
                }
                StatementKind::Unparsed => (Vec::new(), Some("not understood, not run".to_owned())),
                _ => {
                    let sent = template::render(&statement.text, &known);
                    self.statement(statement, &without_reader(sent), back)?
                }
            };
            let Span { line, column, .. } = statement.span;
            let file = file.path.clone();
            traced.push(StatementEffects { file, line, column, effects, error });
        }
        self.session.simple("ROLLBACK")?;
        Ok(traced)
    }

    /// Runs one statement; a role that is missing is made, since roles come with the server and
    /// not with the migrations.
    fn statement(
        &mut self,
        statement: &Statement,
        text: &str,
        taken_back: bool,
    ) -> Result<(Vec<Effect>, Option<String>), Error> {
        for _ in 0..ROLES_MAX {
            let tried = match (waits_for_input(text), statement.in_transaction) {
                (true, _) => return Ok((Vec::new(), Some("COPY FROM STDIN is not run".into()))),
                (false, true) => self.in_transaction(statement, text, taken_back),
                (false, false) => self.alone(statement, text),
            };
            let error = match tried {
                Ok(effects) => return Ok((effects, None)),
                Err(error) if error.is_connection_lost() => return Err(error.into()),
                Err(error) => error,
            };
            if !taken_back {
                self.session.simple("ROLLBACK")?;
            }
            let Some(role) = missing_role(&error).filter(|r| !self.roles.contains(r)) else {
                let code = error.sqlstate().unwrap_or("no SQLSTATE");
                return Ok((Vec::new(), Some(format!("{} ({code})", error.message()))));
            };
            self.looker.simple(&format!("CREATE ROLE {}", quote_ident(&role)))?;
            self.roles.insert(role);
        }
        Ok((Vec::new(), Some(format!("names more than {ROLES_MAX} unknown roles"))))
    }

    fn in_transaction(
        &mut self,
        statement: &Statement,
        text: &str,
        taken_back: bool,
    ) -> Result<Vec<Effect>, PgError> {
        self.session.simple(BEGIN)?;
        let read_before = self.defaults_read()?;
        self.session.take_notices();
        self.session.execute(text, &[])?;
        let notices = self.session.take_notices();
        let rows = self.session.query(LOCKS, &[&self.session.pid()])?;
        let read = self.defaults_read()?;
        let mut strongest: BTreeMap<u32, Seen> = BTreeMap::new();
        for row in &rows {
            let mut now = seen(row)?;
            now.read_as_default = read.get(&now.oid) > read_before.get(&now.oid);
            let held = strongest.get(&now.oid).map(|s| s.lock);
            if held.is_none_or(|lock| lock < now.lock) {
                strongest.insert(now.oid, now);
            }
        }
        let effects = self.effects(statement, strongest.into_values().collect(), &notices)?;
        if !taken_back {
            self.session.simple("COMMIT")?;
        }
        Ok(effects)
    }

    /// A statement that commits by itself drops its locks when it is done, so it is held at the
    /// first one: a third session has locked its tables before.
    fn alone(&mut self, statement: &Statement, text: &str) -> Result<Vec<Effect>, PgError> {
        self.session.simple(SETTINGS)?;
        let (tables, named) = self.named_by(statement)?;
        self.blocker.simple("BEGIN")?;
        for table in &tables {
            // The weakest that all of these statements wait for; VACUUM looks at its tables under
            // a weak lock first, which this one lets pass.
            self.blocker.simple(&format!("LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE"))?;
        }
        self.session.take_notices();
        let (over, pid) = (AtomicBool::new(false), self.session.pid());
        let (outcome, locks) = std::thread::scope(|scope| {
            let looking = scope.spawn(|| {
                let looked = self.look(pid, &over);
                let freed = self.blocker.simple("ROLLBACK");
                looked.and_then(|locks| freed.map(|_| locks))
            });
            let outcome = self.session.execute(text, &[]);
            over.store(true, Ordering::Release);
            (outcome, looking.join())
        });
        let lost = |_| PgError::Server { what: "the session that looks at locks has died".into() };
        let mut locks = locks.map_err(lost)??;
        outcome?;
        if let Some(strongest) = locks.values().max().copied() {
            locks.extend(
                named
                    .into_iter()
                    .filter(|oid| !locks.contains_key(oid))
                    .map(|oid| (oid, strongest))
                    .collect::<Vec<_>>(),
            );
        }
        let notices = self.session.take_notices();
        let mut seen = Vec::new();
        for (oid, lock) in locks {
            let rows = self.looker.query(CLASS, &[&oid])?;
            let now = rows.first().map(class).transpose()?;
            seen.push(Seen { oid, lock, now, read_as_default: false });
        }
        self.effects(statement, seen, &notices)
    }

    /// How often each default partition was read from end to end: counts that the session has not
    /// reported yet, which grow within a transaction only.
    fn defaults_read(&self) -> Result<BTreeMap<u32, i64>, PgError> {
        let rows = self.session.query(DEFAULTS_READ, &[])?;
        rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
    }

    /// The locks a session holds or waits for, until it waits for one or is done.
    fn look(&self, pid: Pid, over: &AtomicBool) -> Result<BTreeMap<u32, LockMode>, PgError> {
        let mut strongest: BTreeMap<u32, LockMode> = BTreeMap::new();
        clock::poll(ASKS_WITHIN, LOOK_EVERY, || {
            let mut waits = false;
            for row in &self.looker.query(ASKED, &[&pid])? {
                let Some(mode) = LockMode::from_pg_name(&get::<String>(row, 1)?) else { continue };
                let held = strongest.entry(get(row, 0)?).or_insert(mode);
                *held = mode.max(*held);
                waits |= !get::<bool>(row, 2)?;
            }
            Ok::<_, PgError>((waits || over.load(Ordering::Acquire)).then_some(()))
        })?;
        Ok(strongest)
    }

    /// Tables that the statement names, itself or through an index, and all that it names; those
    /// of the whole database or schema where it names that.
    fn named_by(
        &self,
        statement: &Statement,
    ) -> Result<(BTreeSet<String>, BTreeSet<u32>), PgError> {
        let (mut tables, mut named) = (BTreeSet::new(), BTreeSet::new());
        for effect in &statement.effects {
            for row in &self.looker.query(TABLE, &[&effect.relation.quoted()])? {
                tables.insert(get(row, 0)?);
                named.insert(get(row, 1)?);
            }
        }
        let actions = pgward_sql::actions(statement);
        if let Some((_, schema)) = actions.iter().find_map(pgward_sql::takes_every_table) {
            for row in &self.looker.query(STORED, &[&schema.unwrap_or("")])? {
                tables.extend(get::<Option<String>>(row, 0)?);
                named.insert(get(row, 1)?);
            }
        }
        Ok((tables, named))
    }

    fn effects(
        &mut self,
        statement: &Statement,
        seen: Vec<Seen>,
        notices: &[Notice],
    ) -> Result<Vec<Effect>, PgError> {
        let said = Said::of(notices);
        let parts = self.parts(&seen)?;
        let moves = moves_storage(statement);
        let mut effects = Vec::new();
        for Seen { oid, lock, now, read_as_default } in seen {
            let before = self.known.get(&oid).cloned();
            let (columns, constraints) = parts.get(&oid).cloned().unwrap_or_default();
            if let Some((relation, kind, relfilenode)) = now.clone() {
                let known = Known { relation, kind, relfilenode, columns, constraints };
                self.known.insert(oid, known);
            } else {
                self.known.remove(&oid);
            }
            let Some((relation, kind)) = before
                .as_ref()
                .map(|b| (b.relation.clone(), b.kind))
                .or(now.clone().map(|(relation, kind, _)| (relation, kind)))
            else {
                continue;
            };
            let after = self.known.get(&oid);
            let existed_before = oid <= self.newest_oid;
            let moved =
                matches!((&before, after), (Some(b), Some(a)) if b.relfilenode != a.relfilenode);
            let rewritten = said.rewritten.contains(&relation.name) || (moved && moves);
            let base = Effect {
                rewrites: rewritten || (moved && kind == 'm'),
                scans: said.verified.contains(&relation.name)
                    || (read_as_default && lock >= LockMode::Share)
                    || after
                        .is_some_and(|a| said.validated.iter().any(|c| a.constraints.contains(c))),
                builds_index: said.indexed.contains(&relation.name),
                destroys: Destroys::Nothing,
                existed_before,
                lock,
                relation,
            };
            let emptied = moved && !base.rewrites;
            effects.extend(destroyed(base, kind, before.as_ref(), after, emptied));
        }
        // An index that is made anew under its name has not gone.
        let names: BTreeSet<String> =
            self.known.values().map(|k| k.relation.name.clone()).collect();
        effects.retain(|e| !matches!(&e.destroys, Destroys::Index(name) if names.contains(name)));
        // An index that goes with its table is not worth a line of its own.
        if effects.iter().any(|e| e.destroys == Destroys::Table) {
            effects.retain(|e| !matches!(e.destroys, Destroys::Index(_)));
        }
        Ok(effects)
    }

    /// Columns and constraints of the relations that may have changed.
    fn parts(&self, seen: &[Seen]) -> Result<BTreeMap<u32, Parts>, PgError> {
        let oids: Vec<u32> = seen
            .iter()
            .filter(|s| s.now.is_some() && s.lock >= LockMode::ShareUpdateExclusive)
            .map(|s| s.oid)
            .collect();
        let mut parts: BTreeMap<u32, Parts> = BTreeMap::new();
        let rows = match oids.is_empty() {
            true => Vec::new(),
            false => self.session.query(PARTS, &[&oids])?,
        };
        for row in &rows {
            let (columns, constraints) = parts.entry(get(row, 0)?).or_default();
            let name = get(row, 2)?;
            match get::<Option<i16>>(row, 1)? {
                Some(number) => drop(columns.insert(number, name)),
                None => drop(constraints.insert(name)),
            }
        }
        // What was locked too weakly to change keeps what was known of it.
        for s in seen {
            if let Some(known) = self.known.get(&s.oid) {
                let as_before = || (known.columns.clone(), known.constraints.clone());
                parts.entry(s.oid).or_insert_with(as_before);
            }
        }
        Ok(parts)
    }
}

/// Columns by number, names of constraints.
type Parts = (BTreeMap<i16, String>, BTreeSet<String>);

/// More roles than this in one statement are a generated file.
const ROLES_MAX: usize = 20;

/// A loop in a migration must not hold up the others: 10 s.
const SETTINGS: &str = "SET client_min_messages = debug1; SET statement_timeout = '10s'";
const BEGIN: &str =
    "BEGIN; SET LOCAL client_min_messages = debug1; SET LOCAL statement_timeout = '10s'";

/// Relations of users that a session has locked, with what the session itself sees of them.
const LOCKS: &str = "\
SELECT l.relation, l.mode, c.oid IS NOT NULL, n.nspname::text, c.relname::text, c.relkind, \
    c.relfilenode \
FROM pg_catalog.pg_locks l \
LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation \
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE l.pid = $1 AND l.locktype = 'relation' AND l.relation >= 16384 \
    AND coalesce(n.nspname !~ '^pg_', true)";

const DEFAULTS_READ: &str = "\
SELECT p.partdefid, coalesce(pg_catalog.pg_stat_get_xact_numscans(p.partdefid), 0) \
FROM pg_catalog.pg_partitioned_table p WHERE p.partdefid <> 0";

const ASKED: &str = "\
SELECT l.relation, l.mode, l.granted FROM pg_catalog.pg_locks l \
WHERE l.pid = $1 AND l.locktype = 'relation' AND l.relation >= 16384";

const CLASS: &str = "\
SELECT n.nspname::text, c.relname::text, c.relkind, c.relfilenode FROM pg_catalog.pg_class c \
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1";

/// The table of that name, or of the index of that name; LOCK takes tables and views only.
const TABLE: &str = "\
SELECT t.oid::pg_catalog.regclass::text, c.oid FROM pg_catalog.pg_class c \
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid \
JOIN pg_catalog.pg_class t ON t.oid = coalesce(i.indrelid, c.oid) \
WHERE c.oid = pg_catalog.to_regclass($1) AND t.relkind IN ('r', 'p')";

/// Tables by name, materialized views without one: nobody can lock those by hand.
const STORED: &str = "\
SELECT CASE relkind WHEN 'r' THEN c.oid::pg_catalog.regclass::text END, c.oid \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE relkind IN ('r', 'm') AND relpersistence <> 't' AND CASE $1 WHEN '' \
THEN nspname !~ '^pg_' AND nspname <> 'information_schema' ELSE nspname = $1 END";

const PARTS: &str = "\
SELECT attrelid, attnum, attname::text FROM pg_catalog.pg_attribute \
WHERE attrelid = ANY ($1) AND attnum > 0 AND NOT attisdropped \
UNION ALL \
SELECT conrelid, NULL, conname::text FROM pg_catalog.pg_constraint \
WHERE conrelid = ANY ($1) AND contype <> 'n'";

fn seen(row: &pgward_pg::session::Row) -> Result<Seen, PgError> {
    let mode: String = get(row, 1)?;
    let lock = LockMode::from_pg_name(&mode)
        .ok_or_else(|| PgError::Server { what: format!("unknown lock mode {mode}") })?;
    let now = match get::<bool>(row, 2)? {
        true => Some((
            Relation::new(get::<String>(row, 3)?, get::<String>(row, 4)?),
            char::from(get::<i8>(row, 5)?.unsigned_abs()),
            get(row, 6)?,
        )),
        false => None,
    };
    Ok(Seen { oid: get(row, 0)?, lock, now, read_as_default: false })
}

fn class(row: &pgward_pg::session::Row) -> Result<(Relation, char, u32), PgError> {
    let relation = Relation::new(get::<String>(row, 0)?, get::<String>(row, 1)?);
    Ok((relation, char::from(get::<i8>(row, 2)?.unsigned_abs()), get(row, 3)?))
}

/// One effect for each thing destroyed, or one that destroys nothing. Indexes and sequences are
/// told only when they go.
fn destroyed(
    base: Effect,
    kind: char,
    before: Option<&Known>,
    after: Option<&Known>,
    emptied: bool,
) -> Vec<Effect> {
    let name = base.relation.clone();
    let mut gone = Vec::new();
    match (before, after, kind) {
        (Some(_), None, 'r' | 'p' | 'f') => gone.push(Destroys::Table),
        (Some(_), None, 'i' | 'I') => gone.push(Destroys::Index(name.name)),
        (Some(_), None, 'v') => gone.push(Destroys::Object(format!("view {name}"))),
        (Some(_), None, 'm') => gone.push(Destroys::Object(format!("materialized view {name}"))),
        (Some(b), Some(a), 'r' | 'p' | 'f') => {
            if emptied {
                gone.push(Destroys::AllRows);
            }
            let columns = b.columns.iter().filter(|(n, _)| !a.columns.contains_key(n));
            gone.extend(columns.map(|(_, name)| Destroys::Column(name.clone())));
            if b.constraints.len() > a.constraints.len() {
                let constraints = b.constraints.difference(&a.constraints);
                gone.extend(constraints.map(|c| Destroys::Constraint(c.clone())));
            }
        }
        _ => {}
    }
    if gone.is_empty() {
        return if matches!(kind, 'r' | 'p' | 'f' | 'm' | 'v') { vec![base] } else { Vec::new() };
    }
    gone.into_iter().map(|destroys| Effect { destroys, ..base.clone() }).collect()
}

/// What the server said while a statement ran, by the names of tables and constraints.
#[derive(Default)]
struct Said {
    rewritten: BTreeSet<String>,
    verified: BTreeSet<String>,
    indexed: BTreeSet<String>,
    validated: BTreeSet<String>,
}

impl Said {
    fn of(notices: &[Notice]) -> Said {
        let mut said = Said::default();
        for notice in notices {
            let words = notice.message.as_str();
            let list = if words.starts_with("rewriting table ") {
                &mut said.rewritten
            } else if words.starts_with("verifying table ") {
                &mut said.verified
            } else if words.starts_with("building index ") {
                &mut said.indexed
            } else if words.starts_with("validating foreign key constraint ") {
                &mut said.validated
            } else {
                continue;
            };
            list.extend(last_quoted(words));
        }
        said
    }
}

/// `building index "a" on table "b" serially` → `b`.
fn last_quoted(words: &str) -> Option<String> {
    let end = words.rfind('"')?;
    let start = words.get(..end)?.rfind('"')?;
    words.get(start + 1..end).map(str::to_owned)
}

/// Does it copy a table without saying "rewriting"? Else a new file means that it was emptied.
fn moves_storage(statement: &Statement) -> bool {
    pgward_sql::actions(statement)
        .iter()
        .any(|action| matches!(action, Action::Vacuum { full: true, .. } | Action::Cluster { .. }))
}

/// Statements between BEGIN and ROLLBACK.
fn taken_back(file: &ChangeFile) -> BTreeSet<usize> {
    let mut back = BTreeSet::new();
    let mut open: Option<usize> = None;
    for (i, statement) in file.statements.iter().enumerate() {
        match (statement.kind, open) {
            (StatementKind::Begin, None) => open = Some(i + 1),
            (StatementKind::Commit, _) => open = None,
            (StatementKind::Rollback, Some(first)) => {
                back.extend(first..i);
                open = None;
            }
            _ => {}
        }
    }
    back
}

fn waits_for_input(text: &str) -> bool {
    let words: Vec<String> =
        text.split_whitespace().map(|w| w.trim_end_matches(';').to_ascii_uppercase()).collect();
    words.first().is_some_and(|w| w == "COPY")
        && words
            .windows(2)
            .any(|w| matches!(w, [from, stdin] if from == "FROM" && stdin == "STDIN"))
}

/// `COPY … TO STDOUT`, which nobody here reads, writes to nowhere under the same locks.
fn without_reader(text: String) -> String {
    const OUT: &str = "stdout";
    let lower = text.to_ascii_lowercase();
    let before = lower.rfind(OUT).map(|at| (at, lower.get(..at).unwrap_or("").trim_end()));
    match before.filter(|(_, before)| before.starts_with("copy") && before.ends_with("to")) {
        Some((at, _)) => {
            let mut text = text;
            text.replace_range(at..at + OUT.len(), "'/dev/null'");
            text
        }
        None => text,
    }
}

/// `role "app" does not exist` → `app`.
fn missing_role(error: &PgError) -> Option<String> {
    if error.sqlstate() != Some("42704") {
        return None;
    }
    let message = error.message();
    let name = message.strip_prefix("role \"")?.split_once("\" does not exist")?.0;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_what_the_server_says() {
        let say = |message: &str| Notice { severity: "DEBUG".into(), message: message.into() };
        let said = Said::of(&[
            say("building index \"i\" on table \"t\" serially"),
            say("verifying table \"u\""),
            say("validating foreign key constraint \"c\""),
            say("rewriting table \"odd \"\" name\""),
            say("CommitTransaction(1) name: unnamed; blockState: STARTED"),
        ]);
        assert!(said.indexed.contains("t") && said.verified.contains("u"));
        assert!(said.validated.contains("c") && said.rewritten.len() == 1);
    }

    #[test]
    fn what_is_copied_out_goes_nowhere() {
        for (text, sent) in [
            ("COPY t TO STDOUT", "COPY t TO '/dev/null'"),
            ("copy (select 'stdout') to stdout csv", "copy (select 'stdout') to '/dev/null' csv"),
            ("COPY t TO '/x/stdout'", "COPY t TO '/x/stdout'"),
            ("SELECT 'a to stdout'", "SELECT 'a to stdout'"),
        ] {
            assert_eq!(without_reader(text.to_owned()), sent);
        }
    }

    #[test]
    fn what_is_rolled_back_stays_in_one_transaction() {
        let file = pgward_sql::read(
            "f",
            "BEGIN; SELECT 1; SELECT 2; ROLLBACK; SELECT 3; BEGIN; SELECT 4; COMMIT",
        );
        assert_eq!(taken_back(&file), BTreeSet::from([1, 2]));
    }
}
