//! Finds the moment before an accident in the WAL: which transaction, and where to stop.

use crate::actions::Cx;
use crate::error::Error;
use pgward_model::prelude::*;
use pgward_pg::session::get;
use pgward_sandbox::backup::{self, Wanted};
use pgward_sandbox::emptied;
use pgward_sandbox::wal::{self, WalSource};
use std::collections::BTreeMap;

/// A committed transaction that wrote many rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    pub xid: u64,
    /// Rows that still are as it left them.
    pub n_rows: i64,
    /// Rows of the table it updated or deleted, as the WAL has them.
    pub n_written: u64,
    /// Rows that it inserted, likewise.
    pub n_inserted: u64,
    pub ended_at: Timestamp,
    /// A side server stopped just before this has the old values.
    pub target_lsn: String,
}

/// Where a side server must stop to still have what the event dropped.
///
/// # Errors
/// [`Error::Plan`] without vault; what the WAL does not hold.
pub fn before_drop(
    cx: &Cx<'_>,
    event: &DdlEvent,
    before: Option<&Catalog>,
) -> Result<String, Error> {
    let xid = event.xid.ok_or_else(|| Error::Plan {
        action: "restore_table",
        why: "the transaction that dropped it is not known: only catalog differences were seen; \
              find its XID in the server log (log_line_prefix with %x) or with pg_waldump, then \
              run `pgward restore --table TABLE --transaction XID`"
            .into(),
    })?;
    let known = event.relation.as_ref().and_then(|r| before?.relation(r));
    before_transaction(cx, "restore_table", xid, known.map(|r| r.oid))
}

/// Where a side server must stop to still have what transaction `xid` dropped: just before it
/// locked the table, or, without the table's OID, before its first strong lock.
///
/// # Errors
/// [`Error::Plan`] without vault; what the WAL does not hold.
pub fn before_transaction(
    cx: &Cx<'_>,
    action: &'static str,
    xid: u64,
    oid: Option<u32>,
) -> Result<String, Error> {
    let transaction = wal::transaction(&source(cx, action)?, xid)?;
    Ok(transaction.before_lock(oid).to_string())
}

/// Where side servers must stop to still have the rows that committed transactions emptied tables
/// of, with everything that others had committed into them: just before the end of each, the
/// latest first, so that a table is filled before those that refer to it. A table that was emptied
/// twice in a row goes back to the first time, see [`emptied::moments`].
///
/// # Errors
/// [`Error::Plan`] without vault; what the WAL does not hold.
pub fn before_emptied(
    cx: &Cx<'_>,
    action: &'static str,
    emptied: &BTreeMap<u64, Vec<Relation>>,
) -> Result<Vec<(String, Vec<Relation>)>, Error> {
    let source = source(cx, action)?;
    let database: u32 = cx.session.query_one(DATABASE, &[])?;
    let mut names: BTreeMap<u32, &Relation> = BTreeMap::new();
    let mut seen: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for (xid, relations) in emptied {
        for relation in relations {
            let sql = "SELECT pg_catalog.to_regclass($1)::oid";
            let oid: Option<u32> = cx.session.query_one(sql, &[&relation.quoted()])?;
            // What was dropped since is for `restore_table`.
            let Some(oid) = oid else { continue };
            names.insert(oid, relation);
            seen.entry(*xid).or_default().push(oid);
        }
    }
    let named = |moment: &emptied::Moment| {
        let tables = moment.tables.iter().filter_map(|oid| names.get(oid));
        (moment.target.to_string(), tables.map(|r| (*r).clone()).collect())
    };
    Ok(emptied::moments(&source, database, &seen)?.iter().map(named).collect())
}

const DATABASE: &str = "
SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

/// Where a side server must stop to have the rows' values of before transaction `xid`.
///
/// # Errors
/// [`Error::Plan`] without vault; what the WAL does not hold.
pub fn before_end(cx: &Cx<'_>, relation: &Relation, xid: u64) -> Result<String, Error> {
    let transaction = wal::transaction(&source(cx, "undo_rows")?, xid)?;
    let oid: Option<u32> =
        cx.session.query_one("SELECT pg_catalog.to_regclass($1)::oid", &[&relation.quoted()])?;
    Ok(transaction.before_end(oid.unwrap_or(0)).to_string())
}

/// The transaction that did what `mass_write` symptoms of the table have measured: of those
/// that committed while one was measured, the one with most rows that are still as it left
/// them, if by the WAL it updated or deleted a tenth of the `n_live` rows itself. Rows that are
/// gone tell nobody: without such a one, the WAL since `from` is asked who took most.
///
/// # Errors
/// [`Error::Plan`] when no single transaction stands out, or looking takes too long.
pub fn largest_writer(
    cx: &Cx<'_>,
    relation: &Relation,
    symptoms: &[&Symptom],
    n_live: f64,
    from: Option<&str>,
) -> Result<Writer, Error> {
    let source = source(cx, "undo_rows")?;
    let refuse = |why: String| Error::Plan { action: "undo_rows", why };
    let place = cx.session.query(PLACE, &[&relation.quoted()])?;
    let place = place.first().ok_or_else(|| refuse(format!("{relation} is not there")))?;
    let (database, oid, relfilenode): (u32, u32, u32) =
        (get(place, 0)?, get(place, 1)?, get(place, 2)?);
    let judged = |(xid, n_rows): (u64, i64)| -> Option<Writer> {
        let transaction = wal::transaction(&source, xid).ok()?;
        let ended_at =
            transaction.ended_at.filter(|_| transaction.ended == wal::Ended::Committed)?;
        let touched = || {
            let all = transaction.relations.iter();
            all.filter(|t| (t.database, t.relfilenode) == (database, relfilenode))
        };
        let n_written: u64 = touched().map(|t| t.updated + t.deleted).sum();
        let n_inserted: u64 = touched().map(|t| t.inserted).sum();
        let target_lsn = transaction.before_end(oid).to_string();
        let writer = Writer { xid, n_rows, n_written, n_inserted, ended_at, target_lsn };
        symptoms.iter().any(|s| measured(s, ended_at, n_written, n_live)).then_some(writer)
    };
    if let Some(writer) = writers(cx, relation)?.into_iter().find_map(judged) {
        return Ok(writer);
    }
    let since = from.and_then(|lsn| lsn.parse().ok()).unwrap_or(source.from);
    let gone = wal::writers_of(&source.clone().starting_at(since), database, relfilenode)?;
    let gone = gone.into_iter().take(CANDIDATES_MAX).map(|(xid, _)| (u64::from(xid), 0));
    gone.into_iter().find_map(judged).ok_or_else(|| {
        refuse(format!(
            "no committed transaction in the WAL wrote a tenth of {relation} when it was measured"
        ))
    })
}

/// Transactions that are looked at one after the other.
const CANDIDATES_MAX: usize = 5;

const PLACE: &str = "
SELECT (SELECT d.oid FROM pg_catalog.pg_database d
        WHERE d.datname = pg_catalog.current_database()),
       c.oid,
       pg_catalog.pg_relation_filenode(c.oid)::oid
FROM pg_catalog.pg_class c
WHERE c.oid = pg_catalog.to_regclass($1)";

/// The counters that tell of a write lag by some seconds.
const LAG_S: f64 = 30.0;

/// The share of a table from which writing it at once is noticed: that of the detector.
const SHARE: f64 = 0.10;

/// Is this transaction part of what the symptom has measured? Rows of transactions that were
/// rolled back are in the measured number too, so it need not have written most of them, yet
/// enough to have been noticed by itself.
fn measured(symptom: &Symptom, ended_at: Timestamp, n_written: u64, n_live: f64) -> bool {
    let Some(n) = symptom.evidence().first().and_then(|e| e.value) else { return false };
    let near = seconds_between(ended_at, symptom.since).abs() < LAG_S;
    near && n_written > 0
        && n_written as f64 >= SHARE * n_live.max(1.0)
        && n_written as f64 <= 2.0 * n
}

/// Transactions whose rows make up most of the table as it is; reads all of it, for 10 s at most.
fn writers(cx: &Cx<'_>, relation: &Relation) -> Result<Vec<(u64, i64)>, Error> {
    let sql = format!(
        "SELECT xmin::text::bigint, pg_catalog.count(*) FROM ONLY {} \
         GROUP BY 1 ORDER BY 2 DESC LIMIT 5",
        relation.quoted()
    );
    cx.session.simple("BEGIN READ ONLY; SET LOCAL statement_timeout = '10s'")?;
    let rows = cx.session.query(&sql, &[]);
    cx.session.simple("ROLLBACK")?;
    let mut writers = Vec::new();
    for row in rows? {
        writers.push((u64::try_from(get::<i64>(&row, 0)?).unwrap_or(0), get(&row, 1)?));
    }
    Ok(writers)
}

/// All WAL that can be read, from the newest backup of this server on. Planning changes
/// nothing, so the segment of now is not switched: without the server's `pg_wal` on this
/// machine, what is not archived yet is not seen.
fn source(cx: &Cx<'_>, action: &'static str) -> Result<WalSource, Error> {
    let (Some(vault), Some(installation)) = (cx.vault, cx.installation) else {
        return Err(Error::Plan {
            action,
            why: "no vault with a backup and WAL is given (--vault DIR)".into(),
        });
    };
    let identity = backup::identity(cx.session)?;
    let wanted = Wanted {
        system_identifier: identity.system_identifier,
        timeline: Some(identity.timeline),
        before: None,
    };
    let backup = backup::choose(vault, &wanted)?;
    let pg_wal = cx.data_dir.as_ref().map(|d| d.join("pg_wal"));
    Ok(WalSource::of(vault, &backup, pg_wal.as_deref(), installation))
}
