//! Gives rows that one transaction changed or deleted their values of before.

use super::{Report, lock_timeout_ms, on_side, say, within};
use crate::error::Error;
use pgward_model::name::{Relation, quote_ident, quote_literal};
use pgward_model::runbook::Limits;
use pgward_pg::prelude::*;
use pgward_pg::server::GuardedDir;
use pgward_pg::session::get;
use pgward_pg::tools;
use pgward_sandbox::side::SideServer;
use pgward_sandbox::wal::{self, Ended, OldRow, Transaction};
use std::fs;
use std::path::Path;

/// The table as both servers know it.
pub(super) struct Table {
    pub(super) name: String,
    /// Quoted; generated columns are left out, they follow.
    pub(super) columns: Vec<String>,
    key: Vec<String>,
}

/// Rows in one statement on the side and one transaction in production: few enough that row
/// locks are held for about a second, many enough that reading the table for each is cheap.
const BATCH: usize = 25_000;

/// Rows that others hold locked are tried again so often, 0.2 s apart.
const PASSES: u32 = 25;

/// Rows kept newer that are named in the notes; the rest is counted.
const LISTED_MAX: usize = 20;

const COLUMNS: &str = "
SELECT a.attname::text,
       a.attgenerated::text,
       coalesce(a.attnum = ANY (i.indkey), false)
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = pg_catalog.to_regclass($1)
  AND a.attnum > 0
  AND NOT a.attisdropped
ORDER BY a.attnum";

/// Undoes what the committed transaction `xid` did to rows of `relation`: rows it updated,
/// and nobody changed since, get the values that `side` has, which stands just before the
/// end of that transaction ([`Transaction::before_end`]); rows it deleted come back unless
/// their key is taken. Rows changed since keep the newer value. Rows it inserted stay.
/// Running it again changes nothing. Triggers fire and constraints are checked.
///
/// # Errors
/// [`Error::NoPrimaryKey`], [`Error::NotInProduction`], [`Error::NotOnSide`],
/// [`Error::Transaction`] when it has not committed or is older than row versions tell.
pub fn rows(
    production: &Target,
    side: &SideServer,
    relation: &Relation,
    xid: u64,
    limits: &Limits,
) -> Result<Report, Error> {
    let start = clock::instant();
    let deadline = clock::Deadline::after(within(limits));
    let here = Session::connect(production, Purpose::Recover)?;
    let there = Session::connect(&on_side(side, production), Purpose::Private)?;
    let mut report = Report::default();
    let table = table(&here, &there, relation, &mut report.notes)?;
    check_age(&here, xid)?;
    let (transaction, old) = changed(side, &there, relation, xid)?;
    if old.is_empty() {
        report.notes.push(format!("transaction {xid} changed no row of {relation}"));
        report.seconds = tools::seconds_since(start);
        return Ok(report);
    }
    let dir = GuardedDir::for_us()?;
    let script = dir.path().join("side.sql");
    write_reader(&script, &table, &old)?;
    let installation = side.installation();
    let psql = installation.require("psql")?;
    let reader = tools::conninfo(&on_side(side, production));
    let conninfo = tools::conninfo(production);
    let args = ["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-d", &conninfo, "-f", "-"];
    let env = tools::password_env(production, Purpose::Recover);
    let repair = repair(&table, &transaction);
    let output = tools::feed(&psql, &args, &env, deadline.left(), |stdin| {
        say(stdin, &preparation(&table, lock_timeout_ms(limits)))?;
        let script = script.display().to_string();
        let args = ["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-d", &reader, "-f", &script];
        tools::stream(&psql, &args, &[], deadline.left(), stdin)?;
        say(stdin, "\\.\n")?;
        say(stdin, &repair)
    })?;
    tell(&output, &transaction, &old, relation, &mut report);
    report.seconds = tools::seconds_since(start);
    Ok(report)
}

pub(super) fn table(
    here: &Session,
    there: &Session,
    relation: &Relation,
    notes: &mut Vec<String>,
) -> Result<Table, Error> {
    type Column = (String, bool, bool); // name, generated, in the primary key
    let read = |session: &Session| -> Result<Vec<Column>, Error> {
        let rows = session.query(COLUMNS, &[&relation.quoted()])?;
        rows.iter()
            .map(|r| Ok((get(r, 0)?, !get::<String>(r, 1)?.is_empty(), get(r, 2)?)))
            .collect()
    };
    let ours = read(here)?;
    let theirs = read(there)?;
    if ours.is_empty() {
        return Err(Error::NotInProduction { relation: relation.clone() });
    }
    if theirs.is_empty() {
        let point = "the side server's point in time".to_owned();
        return Err(Error::NotOnSide { relation: relation.clone(), point });
    }
    let key: Vec<String> = ours.iter().filter(|c| c.2).map(|c| quote_ident(&c.0)).collect();
    if key.is_empty() || !ours.iter().all(|c| !c.2 || theirs.iter().any(|t| t.0 == c.0)) {
        return Err(Error::NoPrimaryKey { relation: relation.clone() });
    }
    let mut columns = Vec::new();
    for (name, generated, _) in &ours {
        if *generated {
            continue;
        }
        if theirs.iter().any(|t| t.0 == *name) {
            columns.push(quote_ident(name));
        } else {
            notes.push(format!("column {name} is newer than the change and stays as it is"));
        }
    }
    Ok(Table { name: relation.quoted(), columns, key })
}

/// Row versions carry 32 bits of their transaction: beyond 2^31 transactions another one
/// may have the same number.
fn check_age(here: &Session, xid: u64) -> Result<(), Error> {
    let next: String = here.query_one(
        "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text",
        &[],
    )?;
    let next: u64 = next.parse().unwrap_or(u64::MAX);
    let full = if xid > u64::from(u32::MAX) {
        xid
    } else {
        let same_epoch = (next & !u64::from(u32::MAX)) | xid;
        if same_epoch > next { same_epoch.saturating_sub(1 << 32) } else { same_epoch }
    };
    if full > next || next - full >= 1 << 31 {
        let why = format!(
            "not among the last 2^31 (the next is {next}), so row versions no \
                           longer tell it from others"
        );
        return Err(Error::Transaction { xid, why });
    }
    Ok(())
}

/// What the log says: the places, on the side, of the rows it changed.
fn changed(
    side: &SideServer,
    there: &Session,
    relation: &Relation,
    xid: u64,
) -> Result<(Transaction, Vec<OldRow>), Error> {
    let transaction = wal::transaction(side.wal(), xid)?;
    match transaction.ended {
        Ended::Committed => {}
        Ended::Aborted => {
            let why = "it was rolled back, there is nothing to undo".to_owned();
            return Err(Error::Transaction { xid, why });
        }
        Ended::Open => {
            let why = "its end is not in the archived WAL; end it if it still runs".to_owned();
            return Err(Error::Transaction { xid, why });
        }
    }
    let rows = there.query(
        "SELECT (SELECT d.oid FROM pg_catalog.pg_database d \
                 WHERE d.datname = pg_catalog.current_database()), \
                pg_catalog.pg_relation_filenode(pg_catalog.to_regclass($1))::oid",
        &[&relation.quoted()],
    )?;
    let row = rows.first().ok_or_else(|| Error::NotInProduction { relation: relation.clone() })?;
    let (database, relfilenode) = (get(row, 0)?, get(row, 1)?);
    let old = wal::old_rows(side.wal(), &transaction, database, relfilenode)?;
    Ok((transaction, old))
}

/// A script for the side: the rows at those places, in batches, as COPY prints them.
fn write_reader(path: &Path, table: &Table, old: &[OldRow]) -> Result<(), Error> {
    let mut sql = String::new();
    let columns = table.columns.join(", ");
    for deleted in [false, true] {
        let places: Vec<String> = old
            .iter()
            .filter(|row| row.deleted == deleted)
            .map(|row| format!("\"({},{})\"", row.block, row.offset))
            .collect();
        for batch in places.chunks(BATCH) {
            sql.push_str(&format!(
                "COPY (SELECT {deleted}, {columns} FROM ONLY {} WHERE ctid = \
                 ANY ('{{{}}}'::pg_catalog.tid[])) TO STDOUT;\n",
                table.name,
                batch.join(",")
            ));
        }
    }
    fs::write(path, sql).map_err(|source| Error::File {
        path: path.to_owned(),
        what: "cannot be written",
        source,
    })
}

/// A temporary table that takes the rows of before. The COPY is left open.
fn preparation(table: &Table, lock_timeout_ms: u64) -> String {
    let columns = table.columns.join(", ");
    format!(
        "SET lock_timeout = {lock_timeout_ms};\nSET statement_timeout = 0;\n\
         CREATE TEMP TABLE pgward_before AS SELECT false AS pgward_deleted, {columns} \
         FROM ONLY {} WITH NO DATA;\n\
         ALTER TABLE pg_temp.pgward_before ADD pgward_n bigint GENERATED ALWAYS AS IDENTITY, \
         ADD pgward_state text;\n\
         COPY pg_temp.pgward_before (pgward_deleted, {columns}) FROM stdin;\n",
        table.name
    )
}

/// The repair: batch by batch, each its own transaction; rows that others hold are left for
/// the next pass, so that we wait for nobody; then the counts.
fn repair(table: &Table, transaction: &Transaction) -> String {
    let xids: Vec<String> = std::iter::once(transaction.xid)
        .chain(transaction.subxids.iter().copied())
        .map(|xid| xid.to_string())
        .collect();
    let key: Vec<String> = table.key.iter().map(|c| format!("t.{c} = b.{c}")).collect();
    let list = |prefix: &str, names: &[String]| {
        names.iter().map(|c| format!("{prefix}.{c}")).collect::<Vec<_>>().join(", ")
    };
    let values: Vec<&String> = table.columns.iter().filter(|c| !table.key.contains(c)).collect();
    // A table of keys only has nothing to update.
    let set = match values.first() {
        None => list_set(&table.key),
        Some(_) => values.iter().map(|c| format!("{c} = b.{c}")).collect::<Vec<_>>().join(", "),
    };
    REPAIR
        .replace("{table}", &table.name)
        .replace("{table_name}", &quote_literal(&table.name))
        .replace("{xids}", &xids.join(","))
        .replace("{key}", &key.join(" AND "))
        .replace("{set}", &set)
        .replace("{columns}", &table.columns.join(", "))
        .replace("{b_columns}", &list("b", &table.columns))
        .replace("{t_columns}", &list("t", &table.columns))
        .replace("{b_key}", &list("b", &table.key))
        .replace("{t_first_key}", &list("t", table.key.get(..1).unwrap_or(&[])))
        .replace("{batch}", &BATCH.to_string())
        .replace("{passes}", &PASSES.to_string())
        .replace("{listed}", &LISTED_MAX.to_string())
}

fn list_set(columns: &[String]) -> String {
    columns.iter().map(|c| format!("{c} = b.{c}")).collect::<Vec<_>>().join(", ")
}

const REPAIR: &str = "
CREATE UNIQUE INDEX ON pg_temp.pgward_before (pgward_n);
ANALYZE pg_temp.pgward_before;
DO $pgward$
DECLARE
    n_first bigint;
    n_last bigint;
BEGIN
    SELECT coalesce(max(pgward_n), 0) INTO n_last FROM pg_temp.pgward_before;
    FOR n_pass IN 1..{passes} LOOP
        n_first := 1;
        WHILE n_first <= n_last LOOP
            WITH free AS MATERIALIZED (
                SELECT t.ctid AS pgward_at, b.pgward_n AS pgward_row
                FROM ONLY {table} t
                JOIN pg_temp.pgward_before b ON {key}
                WHERE b.pgward_n >= n_first AND b.pgward_n < n_first + {batch}
                  AND b.pgward_state IS NULL AND NOT b.pgward_deleted
                  AND t.xmin = ANY ('{{xids}}'::pg_catalog.xid[])
                FOR NO KEY UPDATE OF t SKIP LOCKED
            ), changed AS (
                UPDATE ONLY {table} t SET {set}
                FROM pg_temp.pgward_before b
                JOIN free ON free.pgward_row = b.pgward_n
                WHERE t.ctid = free.pgward_at
                RETURNING b.pgward_n AS pgward_row
            )
            UPDATE pg_temp.pgward_before b SET pgward_state = 'restored'
            FROM changed WHERE b.pgward_n = changed.pgward_row;
            WITH back AS (
                INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
                SELECT {b_columns} FROM pg_temp.pgward_before b
                WHERE b.pgward_n >= n_first AND b.pgward_n < n_first + {batch}
                  AND b.pgward_state IS NULL AND b.pgward_deleted
                ON CONFLICT DO NOTHING
                RETURNING {columns}
            )
            UPDATE pg_temp.pgward_before b SET pgward_state = 'restored'
            FROM back t WHERE {key} AND b.pgward_deleted;
            COMMIT;
            n_first := n_first + {batch};
        END LOOP;
        EXIT WHEN NOT EXISTS (
            SELECT FROM pg_temp.pgward_before b
            JOIN ONLY {table} t ON {key}
            WHERE b.pgward_state IS NULL AND NOT b.pgward_deleted
              AND t.xmin = ANY ('{{xids}}'::pg_catalog.xid[]));
        COMMIT;
        PERFORM pg_catalog.pg_sleep(0.2);
    END LOOP;
END $pgward$;
UPDATE pg_temp.pgward_before b
SET pgward_state = CASE
    WHEN ROW({t_columns})::text = ROW({b_columns})::text THEN 'same'
    WHEN t.xmin = ANY ('{{xids}}'::pg_catalog.xid[]) THEN 'locked'
    ELSE 'newer' END
FROM ONLY {table} t WHERE {key} AND b.pgward_state IS NULL;
SELECT 'pgward_count', coalesce(pgward_state, 'gone'), count(*)
FROM pg_temp.pgward_before GROUP BY 2;
SELECT 'pgward_row', pgward_state, ROW({b_key})::text
FROM pg_temp.pgward_before b WHERE pgward_state IN ('newer', 'locked') ORDER BY pgward_n
LIMIT {listed};
SELECT 'pgward_trigger', string_agg(g.tgname, ', '), ''
FROM pg_catalog.pg_trigger g
WHERE g.tgrelid = {table_name}::pg_catalog.regclass AND NOT g.tgisinternal AND g.tgenabled <> 'D'
HAVING count(*) > 0;
";

/// Reads the counts that the script printed.
fn tell(
    output: &str,
    transaction: &Transaction,
    old: &[OldRow],
    relation: &Relation,
    report: &mut Report,
) {
    let mut listed = Vec::new();
    let mut told = 0;
    for line in output.lines() {
        let mut parts = line.splitn(3, '|');
        let (kind, what, value) = (parts.next(), parts.next().unwrap_or(""), parts.next());
        let value = value.unwrap_or("");
        let n: u64 = value.parse().unwrap_or(0);
        match (kind, what) {
            (Some("pgward_count"), state) => {
                told += n;
                count(state, n, report);
            }
            (Some("pgward_row"), _) => listed.push(value.to_owned()),
            (Some("pgward_trigger"), names) => {
                report.notes.push(format!("triggers of {relation} have fired: {names}"));
            }
            _ => {}
        }
    }
    if !listed.is_empty() {
        let more = report.rows_kept_newer.saturating_sub(listed.len() as u64);
        let more = if more > 0 { format!(" … and {more} more") } else { String::new() };
        report.notes.push(format!("kept as they are now, by key: {}{more}", listed.join(" ")));
    }
    let unseen = (old.len() as u64).saturating_sub(told);
    if unseen > 0 {
        report.notes.push(format!(
            "{unseen} row versions it replaced are not visible at the side's point in time: its \
             own, or the side stands earlier than just before its end"
        ));
    }
    let inserted: u64 = transaction.relations.iter().map(|t| t.inserted).sum();
    if inserted > 0 {
        report.notes.push(format!(
            "transaction {} also inserted {inserted} rows, here and in other tables; they stay",
            transaction.xid
        ));
    }
    report.objects.push(format!("rows of {relation} changed by transaction {}", transaction.xid));
}

fn count(state: &str, n: u64, report: &mut Report) {
    match state {
        "restored" => report.rows_restored += n,
        "newer" => report.rows_kept_newer += n,
        "same" => report.notes.push(format!("{n} rows already have their values of before")),
        "locked" => {
            report.rows_kept_newer += n;
            report.notes.push(format!("{n} rows are held by others all the time: run it again"));
        }
        _ => report.notes.push(format!("{n} rows have since been deleted or lost their key")),
    }
}
