//! Finds the moment before an accident in the WAL: which transaction, and where to stop.

use crate::actions::Cx;
use crate::error::Error;
use pgward_model::prelude::*;
use pgward_pg::session::get;
use pgward_sandbox::backup::{self, Wanted};
use pgward_sandbox::wal::{self, WalSource};

/// A committed transaction that wrote many rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    pub xid: u64,
    /// Rows that still are as it left them.
    pub n_rows: i64,
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
              run `pgward restore --table` with --before LSN"
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

/// The transaction that wrote most rows of the table, among those that committed since.
///
/// # Errors
/// [`Error::Plan`] when no single transaction stands out.
pub fn largest_writer(cx: &Cx<'_>, relation: &Relation, since: Timestamp) -> Result<Writer, Error> {
    let source = source(cx, "undo_rows")?;
    let sql = format!(
        "SELECT xmin::text::bigint, count(*), (SELECT c.oid FROM pg_catalog.pg_class c \
         WHERE c.oid = pg_catalog.to_regclass({})) \
         FROM {} GROUP BY 1 ORDER BY 2 DESC LIMIT 5",
        quote_literal(&relation.quoted()),
        relation.quoted()
    );
    for row in cx.session.query(&sql, &[])? {
        let xid = u64::try_from(get::<i64>(&row, 0)?).unwrap_or(0);
        let Ok(transaction) = wal::transaction(&source, xid) else { continue };
        // The counters that told of it lag by some seconds.
        let young = transaction.ended_at.is_some_and(|t| seconds_between(t, since) < 30.0);
        if young {
            return Ok(Writer {
                xid,
                n_rows: get(&row, 1)?,
                target_lsn: transaction.before_end(get(&row, 2)?).to_string(),
            });
        }
    }
    Err(Error::Plan {
        action: "undo_rows",
        why: format!("no transaction in the WAL stands out among the writers of {relation}"),
    })
}

/// All WAL up to now, from the newest backup of this server on.
fn source(cx: &Cx<'_>, action: &'static str) -> Result<WalSource, Error> {
    let (Some(vault), Some(installation)) = (cx.vault, cx.installation) else {
        return Err(Error::Plan {
            action,
            why: "no vault with a backup and WAL is given (--vault DIR)".into(),
        });
    };
    backup::flush_wal(cx.session, vault)?;
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
