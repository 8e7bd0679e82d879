//! Fills emptied tables again with the rows they had, beside those that came since.

use super::rows::{self, Table};
use super::{Report, lock_timeout_ms, on_side, say, within};
use crate::error::Error;
use pgward_model::name::{Relation, quote_literal};
use pgward_model::runbook::Limits;
use pgward_pg::prelude::*;
use pgward_pg::session::get;
use pgward_pg::tools;
use pgward_sandbox::side::SideServer;
use std::path::PathBuf;

/// Gives `relations`, which a TRUNCATE emptied, the rows that `side` has, which stands just
/// before its end. A row whose key is taken since stays as it is now. Triggers fire and
/// constraints are checked; tables that others refer to come first. One that fails is as it was
/// and does not stop the others. Running it again changes nothing.
///
/// # Errors
/// Of the first table that fails, [`Error::Partly`] where others came back:
/// [`Error::NoPrimaryKey`], [`Error::NotInProduction`], [`Error::NotOnSide`]; [`Error::Pg`] with
/// the words of psql. One that has no rows on the side is told in [`Report::empty`].
pub fn refill(
    production: &Target,
    side: &SideServer,
    relations: &[Relation],
    limits: &Limits,
) -> Result<Report, Error> {
    let start = clock::instant();
    // While it replays, the side holds the locks of the TRUNCATE; promoted, it has undone it.
    if !side.is_promoted()? {
        side.promote()?;
    }
    let here = Session::connect(production, Purpose::Recover)?;
    let there = Session::connect(&on_side(side, production), Purpose::Private)?;
    let mut report = Report::default();
    let (mut tables, mut failed) = (Vec::new(), Vec::new());
    for relation in relations {
        match known(&here, &there, relation, &mut report) {
            Ok(table) => tables.extend(table.map(|table| (relation, table))),
            Err(error) => failed.push((relation, error)),
        }
    }
    let road = Road {
        production,
        side,
        psql: side.installation().require("psql")?,
        lock_timeout_ms: lock_timeout_ms(limits),
        deadline: clock::Deadline::after(within(limits)),
    };
    let mut filled = Vec::new();
    for (relation, table) in in_order(&here, tables)? {
        match road.carry(relation, &table, &mut report) {
            Ok(()) => filled.push(relation),
            Err(error) => failed.push((relation, error)),
        }
    }
    report.seconds = tools::seconds_since(start);
    all_of_them(filled, failed).map(|()| report)
}

/// The table, where the side has rows of it.
fn known(
    here: &Session,
    there: &Session,
    relation: &Relation,
    report: &mut Report,
) -> Result<Option<Table>, Error> {
    let table = rows::table(here, there, relation, &mut report.notes)?;
    let filled = format!("SELECT EXISTS (SELECT FROM ONLY {})", table.name);
    if there.query_one::<bool>(&filled, &[])? {
        return Ok(Some(table));
    }
    report.notes.push(format!("{relation} had no rows at that moment"));
    report.empty.push(relation.clone());
    Ok(None)
}

/// The way that rows take from the side to production.
struct Road<'a> {
    production: &'a Target,
    side: &'a SideServer,
    psql: PathBuf,
    lock_timeout_ms: u64,
    deadline: clock::Deadline,
}

impl Road<'_> {
    fn carry(&self, relation: &Relation, table: &Table, report: &mut Report) -> Result<(), Error> {
        let reader = tools::conninfo(&on_side(self.side, self.production));
        let conninfo = tools::conninfo(self.production);
        let env = tools::password_env(self.production, Purpose::Recover);
        let args =
            ["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-d", &conninfo, "-f", "-"];
        let columns = table.columns.join(", ");
        let read = format!("COPY (SELECT {columns} FROM ONLY {}) TO STDOUT", table.name);
        let output = tools::feed(&self.psql, &args, &env, self.deadline.left(), |stdin| {
            say(stdin, &preparation(table, self.lock_timeout_ms))?;
            let args = ["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-d", &reader, "-c", &read];
            tools::stream(&self.psql, &args, &[], self.deadline.left(), stdin)?;
            say(stdin, "\\.\n")?;
            say(stdin, &insertion(table))
        })?;
        tell(&output, relation, report);
        Ok(())
    }
}

/// The first failure, with who came back all the same.
fn all_of_them(filled: Vec<&Relation>, failed: Vec<(&Relation, Error)>) -> Result<(), Error> {
    let list = |names: Vec<String>| names.join(", ");
    let names = list(failed.iter().map(|(relation, _)| relation.to_string()).collect());
    let Some((_, first)) = failed.into_iter().next() else { return Ok(()) };
    if filled.is_empty() {
        return Err(first);
    }
    let filled = list(filled.into_iter().map(ToString::to_string).collect());
    Err(Error::Partly { filled, failed: names, first: Box::new(first) })
}

const REFERENCES: &str = "
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_constraint k
    WHERE k.contype = 'f'
      AND k.conrelid = pg_catalog.to_regclass($1)
      AND k.confrelid = pg_catalog.to_regclass($2))";

/// Tables that others refer to before those; a ring stays as it was given.
fn in_order<'a>(
    here: &Session,
    tables: Vec<(&'a Relation, Table)>,
) -> Result<Vec<(&'a Relation, Table)>, Error> {
    let mut left = tables;
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let mut free = 0;
        for (i, (relation, _)) in left.iter().enumerate() {
            let mut waits = false;
            for (other, _) in left.iter().filter(|(other, _)| other != relation) {
                let rows = here.query(REFERENCES, &[&relation.quoted(), &other.quoted()])?;
                waits |= rows.first().map_or(Ok(false), |row| get(row, 0))?;
            }
            if !waits {
                free = i;
                break;
            }
        }
        ordered.push(left.remove(free));
    }
    Ok(ordered)
}

/// A temporary table that takes the rows of before. The COPY is left open.
fn preparation(table: &Table, lock_timeout_ms: u64) -> String {
    let columns = table.columns.join(", ");
    format!(
        "SET lock_timeout = {lock_timeout_ms};\nSET statement_timeout = 0;\n\
         CREATE TEMP TABLE pgward_before AS SELECT {columns} FROM ONLY {} WITH NO DATA;\n\
         COPY pg_temp.pgward_before ({columns}) FROM stdin;\n",
        table.name
    )
}

/// The rows go in, sequences that a RESTART IDENTITY set back go ahead of them, and both are
/// counted.
fn insertion(table: &Table) -> String {
    let columns = table.columns.join(", ");
    INSERTION
        .replace("{table}", &table.name)
        .replace("{table_name}", &quote_literal(&table.name))
        .replace("{columns}", &columns)
}

const INSERTION: &str = "
WITH back AS (
    INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
    SELECT {columns} FROM pg_temp.pgward_before
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT 'pgward_back', count(*) FROM back;
SELECT 'pgward_before', count(*) FROM pg_temp.pgward_before;
DO $pgward$
DECLARE
    owned record;
    n_max bigint;
    n_last bigint;
BEGIN
    FOR owned IN
        SELECT a.attname, pg_catalog.pg_get_serial_sequence({table_name}, a.attname) AS name
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = {table_name}::pg_catalog.regclass
            AND a.attnum > 0
            AND NOT a.attisdropped
            AND pg_catalog.pg_get_serial_sequence({table_name}, a.attname) IS NOT NULL
    LOOP
        EXECUTE pg_catalog.format('SELECT max(%I) FROM %s', owned.attname, {table_name}) INTO n_max;
        EXECUTE pg_catalog.format('SELECT last_value FROM %s', owned.name) INTO n_last;
        IF n_max > n_last THEN
            PERFORM pg_catalog.setval(owned.name, n_max);
        END IF;
    END LOOP;
END $pgward$;
";

/// Reads the counts that the script printed.
fn tell(output: &str, relation: &Relation, report: &mut Report) {
    let n = |what: &str| -> u64 {
        let line = output.lines().find_map(|l| l.strip_prefix(what)?.strip_prefix('|'));
        line.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
    };
    let (back, before) = (n("pgward_back"), n("pgward_before"));
    report.rows_restored += back;
    report.rows_kept_newer += before.saturating_sub(back);
    if back < before {
        report.notes.push(format!(
            "{} rows of {relation} stay out: their key is taken since",
            before - back
        ));
    }
    report.objects.push(format!("rows of {relation}"));
}
