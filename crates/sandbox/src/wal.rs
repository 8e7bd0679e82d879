//! What the write-ahead log tells of a transaction: where it began, what it touched, when it ended.

use crate::backup::{Backup, Vault};
use crate::error::Error;
use jiff::Timestamp;
use pgward_pg::prelude::*;
use pgward_pg::server::GuardedDir;
use pgward_pg::tools::{self, RunAs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// A position in the write-ahead log.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Lsn(pub u64);

/// Where the log of one timeline lies.
#[derive(Debug, Clone)]
pub struct WalSource {
    /// The archive first; then the server's own `pg_wal`, where it is on this machine.
    pub dirs: Vec<PathBuf>,
    pub timeline: u32,
    pub segment_bytes: u64,
    /// Where reading starts.
    pub from: Lsn,
    /// Where it stops; `None`: at the end of what is there.
    pub until: Option<Lsn>,
    /// Has `pg_waldump` of the server's own major.
    pub installation: Installation,
    /// Reading longer than this is given up.
    pub within: Duration,
}

/// A transaction as the log shows it, its subtransactions included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    pub xid: u32,
    pub subxids: Vec<u32>,
    /// Its first record. Others may have committed between this and what it did later.
    pub first_lsn: Lsn,
    /// The commit or abort record; `None` while it is open.
    pub end_lsn: Option<Lsn>,
    pub ended: Ended,
    pub ended_at: Option<Timestamp>,
    pub relations: Vec<Touched>,
    /// ACCESS EXCLUSIVE locks it took, in order.
    pub locks: Vec<TableLock>,
    /// Files its commit removed, e.g. `base/5/16384`.
    pub removed_files: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Committed,
    Aborted,
    Open,
}

/// Rows of one relation that a transaction wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    pub database: u32,
    pub relfilenode: u32,
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableLock {
    pub lsn: Lsn,
    pub database: u32,
    /// The relation's OID, not its file.
    pub relation: u32,
}

/// The place of a row before a transaction updated or deleted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OldRow {
    pub block: u32,
    pub offset: u32,
    pub deleted: bool,
}

/// One line of `pg_waldump`.
pub(crate) struct Record<'a> {
    rmgr: &'a str,
    pub(crate) xid: u32,
    pub(crate) lsn: Lsn,
    pub(crate) desc: &'a str,
}

/// A row that was written into a relation's main fork.
pub(crate) struct RowWritten {
    pub(crate) database: u32,
    pub(crate) relfilenode: u32,
    /// The first row of the first page: the file was empty.
    pub(crate) is_first: bool,
}

/// Each subtransaction costs one reading of the log; with more, one reads it unfiltered.
const SUBXIDS_FILTERED_MAX: usize = 3;

impl WalSource {
    /// The log from the start of `backup` on: the vault's archive and, where given, the
    /// `pg_wal` of a server on this machine.
    pub fn of(
        vault: &Vault,
        backup: &Backup,
        pg_wal_dir: Option<&Path>,
        installation: &Installation,
    ) -> WalSource {
        let mut dirs = vec![vault.wal_dir()];
        dirs.extend(pg_wal_dir.map(Path::to_owned));
        WalSource {
            dirs,
            timeline: backup.timeline,
            segment_bytes: backup.wal_segment_bytes.max(1 << 20), // the smallest there is
            from: backup.start_lsn,
            until: None,
            installation: installation.clone(),
            within: Duration::from_secs(300), // at 1 GB/s and more, 300 GB of WAL
        }
    }

    /// The same, read from `lsn` on.
    pub fn starting_at(mut self, lsn: Lsn) -> WalSource {
        self.from = lsn;
        self
    }

    /// The segment that holds `lsn`.
    fn segment(&self, number: u64) -> String {
        let per_log = (1 << 32) / self.segment_bytes;
        format!("{:08X}{:08X}{:08X}", self.timeline, number / per_log, number % per_log)
    }

    /// Links to all segments from [`WalSource::from`] on without a gap, since `pg_waldump`
    /// reads one directory. Also the number after the last one of the archive.
    fn stage(&self) -> Result<(GuardedDir, u64, u64), Error> {
        let dir = GuardedDir::for_us()?;
        let first = self.from.0 / self.segment_bytes;
        let (mut next, mut archived) = (first, first);
        loop {
            let name = self.segment(next);
            let Some((place, path)) =
                self.dirs.iter().map(|d| d.join(&name)).enumerate().find(|(_, p)| p.is_file())
            else {
                break;
            };
            std::os::unix::fs::symlink(&path, dir.path().join(&name))
                .map_err(|source| Error::File { path, what: "cannot be linked", source })?;
            next += 1;
            if place == 0 {
                archived = next;
            }
        }
        if next == first {
            let places: Vec<String> = self.dirs.iter().map(|d| d.display().to_string()).collect();
            return Err(Error::Wal {
                from: self.from.to_string(),
                why: format!("segment {} is not in {}", self.segment(first), places.join(" or ")),
            });
        }
        Ok((dir, archived, next))
    }

    /// Hands over record after record; returns where the log ends.
    pub(crate) fn each(
        &self,
        filter: &[&str],
        mut each: impl FnMut(&Record<'_>) -> ControlFlow<()>,
    ) -> Result<Lsn, Error> {
        let (dir, archived, next) = self.stage()?;
        let start = (self.from.0 / self.segment_bytes) * self.segment_bytes;
        let start = Lsn(start.max(self.segment_bytes)).to_string(); // 0/0 is no LSN
        let timeline = self.timeline.to_string();
        let path = dir.path().display().to_string();
        // Without an end pg_waldump waits 5 s for the segment that may still come.
        let end = Lsn(next * self.segment_bytes);
        let end = self.until.map_or(end, |until| until.min(end)).to_string();
        let mut args = vec!["-p", &path, "-t", &timeline, "-s", &start, "-e", &end];
        args.extend_from_slice(filter);
        let program = self.installation.require("pg_waldump")?;
        let env = [("TZ", "UTC".to_owned())];
        let ended = tools::each_line(&program, &args, &env, self.within, RunAs::Us, |line| {
            parse(line).map_or(ControlFlow::Continue(()), |record| each(&record))
        });
        match ended {
            Ok(()) => {}
            Err(pgward_pg::error::Error::Tool { stderr, .. }) if is_end(&stderr) => {
                // Whole segments of the archive must read to their end; the live one need not.
                let at = stopped_at(&stderr).map_or(next, |lsn| lsn.0 / self.segment_bytes);
                if at + 1 < archived {
                    return Err(Error::Wal { from: self.from.to_string(), why: stderr });
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Lsn(next * self.segment_bytes))
    }
}

/// All that the log says of transaction `xid`, which may be one of its subtransactions.
///
/// # Errors
/// [`Error::NotInWal`] when it has no record there; [`Error::Wal`] when the log has a gap
/// or does not read.
pub fn transaction(source: &WalSource, xid: u64) -> Result<Transaction, Error> {
    // The log holds the lower half; the epoch is known to the server only.
    let xid = (xid & u64::from(u32::MAX)) as u32;
    let mut seen = Transaction::empty(xid);
    let filter = xid.to_string();
    let to = source.each(&["-x", &filter], |record| {
        seen.add(record);
        // Its end is its last record.
        if seen.ended == Ended::Open { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if seen.ended == Ended::Open
        && let Some(parent) = parent_of(source, xid)?
    {
        return transaction(source, u64::from(parent));
    }
    let subxids = seen.subxids.clone();
    if subxids.len() > SUBXIDS_FILTERED_MAX {
        source.each(&[], |record| {
            if subxids.contains(&record.xid) {
                seen.add(record);
            }
            ControlFlow::Continue(())
        })?;
    } else {
        for subxid in &subxids {
            source.each(&["-x", &subxid.to_string()], |record| {
                seen.add(record);
                ControlFlow::Continue(())
            })?;
        }
    }
    if seen.first_lsn == Lsn(u64::MAX) {
        return Err(Error::NotInWal {
            what: format!("transaction {xid}"),
            from: source.from.to_string(),
            to: to.to_string(),
        });
    }
    seen.locks.sort_by_key(|l| l.lsn);
    Ok(seen)
}

/// The transaction whose commit removed the file of a relation: dropped, truncated or
/// rewritten it.
///
/// # Errors
/// [`Error::NotInWal`] when no commit in the log removed it.
pub fn dropper_of(
    source: &WalSource,
    database: u32,
    relfilenode: u32,
) -> Result<Transaction, Error> {
    let file = format!("/{database}/{relfilenode}");
    let mut found = None;
    let to = source.each(&["-r", "Transaction"], |record| {
        let commits = record.desc.starts_with("COMMIT");
        if commits && removed_files(record.desc).any(|f| f.ends_with(&file)) {
            found = Some(committed_xid(record));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    match found {
        Some(xid) => transaction(source, u64::from(xid)),
        None => Err(Error::NotInWal {
            what: format!("the end of file {relfilenode} of database {database}"),
            from: source.from.to_string(),
            to: to.to_string(),
        }),
    }
}

/// Where the rows lay that `transaction` updated or deleted in one relation, before it did.
///
/// # Errors
/// As [`transaction`].
pub fn old_rows(
    source: &WalSource,
    transaction: &Transaction,
    database: u32,
    relfilenode: u32,
) -> Result<Vec<OldRow>, Error> {
    let xids: Vec<u32> =
        std::iter::once(transaction.xid).chain(transaction.subxids.iter().copied()).collect();
    let xid = transaction.xid.to_string();
    let filter: &[&str] =
        if xids.len() == 1 { &["-r", "Heap", "-x", &xid] } else { &["-r", "Heap"] };
    let mut rows = Vec::new();
    let mut source = source.clone().starting_at(transaction.first_lsn);
    source.until = transaction.end_lsn;
    source.each(filter, |record| {
        if xids.contains(&record.xid) {
            rows.extend(old_row(record, database, relfilenode));
        }
        ControlFlow::Continue(())
    })?;
    rows.sort_unstable();
    rows.dedup();
    Ok(rows)
}

/// Transactions, or subtransactions, that updated or deleted rows of one relation, with how many,
/// most first.
///
/// # Errors
/// As [`transaction`].
pub fn writers_of(
    source: &WalSource,
    database: u32,
    relfilenode: u32,
) -> Result<Vec<(u32, u64)>, Error> {
    let mut rows: BTreeMap<u32, u64> = BTreeMap::new();
    source.each(&["-r", "Heap"], |record| {
        if old_row(record, database, relfilenode).is_some() {
            *rows.entry(record.xid).or_default() += 1;
        }
        ControlFlow::Continue(())
    })?;
    let mut writers: Vec<(u32, u64)> = rows.into_iter().collect();
    writers.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    Ok(writers)
}

/// Records after `after` that touch one block of a relation's main fork, at most 100.
///
/// # Errors
/// As [`transaction`].
pub fn changes_of_block(
    source: &WalSource,
    database: u32,
    relfilenode: u32,
    block: u32,
    after: Lsn,
) -> Result<Vec<Lsn>, Error> {
    let mut lsns = Vec::new();
    source.clone().starting_at(after).each(&[], |record| {
        let here = |b: &BlockRef| {
            b.database == database && b.relfilenode == relfilenode && b.block == block && b.main
        };
        if record.lsn > after && block_refs(record.desc).any(|b| here(&b)) {
            lsns.push(record.lsn);
        }
        if lsns.len() < 100 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(lsns)
}

impl Transaction {
    pub(crate) fn empty(xid: u32) -> Self {
        Self {
            xid,
            subxids: Vec::new(),
            first_lsn: Lsn(u64::MAX),
            end_lsn: None,
            ended: Ended::Open,
            ended_at: None,
            relations: Vec::new(),
            locks: Vec::new(),
            removed_files: Vec::new(),
        }
    }

    /// Where a side server must stop to still have the relation `oid` and everything others
    /// committed into it: just before this transaction got its ACCESS EXCLUSIVE lock, which
    /// it can only get when no writer is left. Without OID, before its first such lock.
    pub fn before_lock(&self, oid: Option<u32>) -> Lsn {
        self.locks
            .iter()
            .find(|l| Some(l.relation) == oid)
            .or(self.locks.first())
            .map_or(self.first_lsn, |l| l.lsn)
    }

    /// Where a side server must stop to have the values of rows before this transaction, with
    /// everything others committed: just before its end, since until then it is invisible
    /// and nobody else can change those rows. Before the lock, if it also took one.
    pub fn before_end(&self, oid: u32) -> Lsn {
        let locked = self.locks.iter().find(|l| l.relation == oid).map(|l| l.lsn);
        locked.or(self.end_lsn).unwrap_or(self.first_lsn)
    }

    pub(crate) fn add(&mut self, record: &Record<'_>) {
        self.first_lsn = self.first_lsn.min(record.lsn);
        match record.rmgr {
            "Transaction" if record.xid == self.xid || committed_xid(record) == self.xid => {
                self.end(record);
            }
            "Standby" => self.locks.extend(lock(record)),
            "Heap" | "Heap2" => self.count(record.desc),
            _ => {}
        }
    }

    fn end(&mut self, record: &Record<'_>) {
        let desc = record.desc;
        self.ended = match desc.split([' ', '_']).next() {
            Some("COMMIT") => Ended::Committed,
            Some("ABORT") => Ended::Aborted,
            _ => return,
        };
        self.end_lsn = Some(record.lsn);
        self.ended_at = time_in(desc);
        self.subxids = list_after(desc, "subxacts:").filter_map(|w| w.parse().ok()).collect();
        self.removed_files = removed_files(desc).map(str::to_owned).collect();
    }

    fn count(&mut self, desc: &str) {
        let Some(at) = block_refs(desc).next() else { return };
        let entry = self
            .relations
            .iter()
            .position(|t| t.database == at.database && t.relfilenode == at.relfilenode);
        let index = entry.unwrap_or_else(|| {
            self.relations.push(Touched {
                database: at.database,
                relfilenode: at.relfilenode,
                inserted: 0,
                updated: 0,
                deleted: 0,
            });
            self.relations.len() - 1
        });
        let Some(touched) = self.relations.get_mut(index) else { return };
        match desc.split([' ', '+']).next() {
            Some("INSERT") => touched.inserted += 1,
            Some("MULTI_INSERT") => touched.inserted += tuples_in(desc),
            Some("UPDATE" | "HOT_UPDATE") => touched.updated += 1,
            Some("DELETE") => touched.deleted += 1,
            _ => {}
        }
    }
}

struct BlockRef {
    database: u32,
    relfilenode: u32,
    block: u32,
    main: bool,
}

/// The top transaction that ended with `xid` among its subtransactions.
fn parent_of(source: &WalSource, xid: u32) -> Result<Option<u32>, Error> {
    let mut parent = None;
    let wanted = xid.to_string();
    source.each(&["-r", "Transaction"], |record| {
        if list_after(record.desc, "subxacts:").any(|w| w == wanted) && record.xid != xid {
            parent = Some(committed_xid(record));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(parent)
}

/// `rmgr: Heap  len (rec/tot): 54/ 54, tx: 742, lsn: 0/017B2650, prev 0/..., desc: DELETE ...`
fn parse(line: &str) -> Option<Record<'_>> {
    let rest = line.strip_prefix("rmgr: ")?;
    let rmgr = rest.split(' ').next()?;
    let (head, desc) = rest.split_once(", desc: ")?;
    let xid = head.split_once(", tx:")?.1.split(',').next()?.trim().parse().ok()?;
    let lsn = head.split_once(", lsn: ")?.1.split(',').next()?.trim().parse().ok()?;
    Some(Record { rmgr, xid, lsn, desc })
}

/// `COMMIT_PREPARED 742: 2026-...` names the transaction it ends; others are their own.
fn committed_xid(record: &Record<'_>) -> u32 {
    let prepared = record.desc.split_once("_PREPARED ").map(|(_, rest)| rest);
    prepared
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
        .unwrap_or(record.xid)
}

/// The transaction that a record ends, and its subtransactions.
pub(crate) fn committed_xids(record: &Record<'_>) -> Vec<u32> {
    let parts = list_after(record.desc, "subxacts:").filter_map(|w| w.parse().ok());
    std::iter::once(committed_xid(record)).chain(parts).collect()
}

/// `COMMIT 2026-11-21 05:34:28.080948 UTC; rels: ...`: the tools run in UTC.
fn time_in(desc: &str) -> Option<Timestamp> {
    let head = desc.split(';').next()?.trim_end().strip_suffix(" UTC")?;
    let mut words = head.rsplit(' ');
    let (time, date) = (words.next()?, words.next()?);
    format!("{date}T{time}Z").parse().ok()
}

/// The locks that one record tells of.
fn lock(record: &Record<'_>) -> Vec<TableLock> {
    let lsn = record.lsn;
    let lockers = lockers(record.desc);
    lockers.map(|(_, database, relation)| TableLock { lsn, database, relation }).collect()
}

/// Transaction, database and table of `LOCK xid 742 db 5 rel 16392`, several in one record.
pub(crate) fn lockers(desc: &str) -> impl Iterator<Item = (u32, u32, u32)> {
    let words: Vec<&str> =
        desc.strip_prefix("LOCK ").map_or(Vec::new(), |rest| rest.split_whitespace().collect());
    let locks: Vec<(u32, u32, u32)> = words
        .chunks_exact(6)
        .filter_map(|chunk| match chunk {
            ["xid", xid, "db", database, "rel", relation] => Some((
                xid.parse().ok()?,
                database.parse().ok()?,
                relation.trim_end_matches(';').parse().ok()?,
            )),
            _ => None,
        })
        .collect();
    locks.into_iter()
}

/// Database and number of the files whose pages a record writes.
pub(crate) fn files_in(record: &Record<'_>) -> impl Iterator<Item = (u32, u32)> {
    block_refs(record.desc).filter(|b| b.main).map(|b| (b.database, b.relfilenode))
}

/// The row that a record writes, or the first of many: inserted, updated or deleted.
pub(crate) fn row_written(record: &Record<'_>) -> Option<RowWritten> {
    let what = record.desc.split(' ').next()?;
    let (verb, is_init) = what.strip_suffix("+INIT").map_or((what, false), |verb| (verb, true));
    if !["INSERT", "MULTI_INSERT", "UPDATE", "HOT_UPDATE", "DELETE"].contains(&verb) {
        return None;
    }
    let at = block_refs(record.desc).next()?;
    let is_first = is_init && at.block == 0 && verb.ends_with("INSERT");
    Some(RowWritten { database: at.database, relfilenode: at.relfilenode, is_first })
}

/// The words of one `;`-separated part of a commit record.
fn list_after<'a>(desc: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let part = desc.split_once(name).map_or("", |(_, rest)| rest.split(';').next().unwrap_or(""));
    part.split([' ', ',']).filter(|word| !word.is_empty())
}

fn removed_files(desc: &str) -> impl Iterator<Item = &str> {
    list_after(desc, "; rels:")
}

/// `blkref #0: rel 1663/5/16384 blk 1`, with `fork vm` before `blk` for other forks.
fn block_refs(desc: &str) -> impl Iterator<Item = BlockRef> {
    desc.split("blkref #").skip(1).filter_map(|part| {
        let rest = part.split_once("rel ")?.1;
        let (file, rest) = rest.split_once(' ')?;
        let mut oids = file.split('/').skip(1);
        let (database, relfilenode) = (oids.next()?.parse().ok()?, oids.next()?.parse().ok()?);
        let main = !rest.starts_with("fork ");
        let block = rest.split_once("blk ")?.1;
        let block = block.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
        Some(BlockRef { database, relfilenode, block, main })
    })
}

/// `DELETE off 5 ...`, `UPDATE off 3 xmax 740 ...` (14, 15), `off: 5`, `old_off: 3` (16 on).
/// An update across two blocks names the new one first.
fn old_row(record: &Record<'_>, database: u32, relfilenode: u32) -> Option<OldRow> {
    let deleted = match record.desc.split([' ', '+']).next()? {
        "DELETE" => true,
        "UPDATE" | "HOT_UPDATE" => false,
        _ => return None,
    };
    let at = block_refs(record.desc).last()?;
    if at.database != database || at.relfilenode != relfilenode {
        return None;
    }
    let after = record.desc.split_once("off")?.1.trim_start_matches([':', ' ']);
    let offset = after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    Some(OldRow { block: at.block, offset, deleted })
}

/// `MULTI_INSERT 61 tuples flags 0x02` (14, 15), `ntuples: 61` (16 on).
fn tuples_in(desc: &str) -> u64 {
    let after = desc.split_once("ntuples:").map(|(_, rest)| rest.trim_start());
    let number = after.or(desc.split_once(' ').map(|(_, rest)| rest)).unwrap_or("");
    number.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// How `pg_waldump` says that there is no more log.
fn is_end(stderr: &str) -> bool {
    ["error in WAL record at", "could not find a valid record after", "could not find file"]
        .iter()
        .any(|words| stderr.contains(words))
}

/// `error in WAL record at 0/17B3348: invalid record length at 0/17B39D0: ...`
fn stopped_at(stderr: &str) -> Option<Lsn> {
    let rest = stderr.split_once("record at ").or(stderr.split_once("record after "))?.1;
    rest.split([':', ' ', '\n']).next()?.parse().ok()
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & u64::from(u32::MAX))
    }
}

impl FromStr for Lsn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Lsn, Error> {
        let bad = || Error::BadLsn { text: text.to_owned() };
        let (high, low) = text.trim().split_once('/').ok_or_else(bad)?;
        let part = |digits: &str| u32::from_str_radix(digits, 16).map_err(|_| bad());
        Ok(Lsn((u64::from(part(high)?) << 32) | u64::from(part(low)?)))
    }
}

impl TryFrom<String> for Lsn {
    type Error = Error;

    fn try_from(text: String) -> Result<Lsn, Error> {
        text.parse()
    }
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> String {
        lsn.to_string()
    }
}

/// The file names in a directory that are WAL segments, with their sizes.
pub fn segments_in(dir: &Path) -> BTreeMap<String, u64> {
    let Ok(entries) = fs::read_dir(dir) else { return BTreeMap::new() };
    entries
        .filter_map(Result::ok)
        .filter_map(|e| Some((e.file_name().into_string().ok()?, e.metadata().ok()?.len())))
        .filter(|(name, _)| name.len() == 24 && name.bytes().all(|b| b.is_ascii_hexdigit()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: &str) -> Option<OldRow> {
        let line = format!("rmgr: Heap len (rec/tot): 54/ 54, tx: 742, lsn: 0/017B2650, {line}");
        old_row(&parse(&line).unwrap(), 5, 16384)
    }

    #[test]
    fn rows_are_found_in_the_words_of_every_major() {
        let fifteen = "prev 0/0, desc: UPDATE off 3 xmax 740 flags 0x00 ; new off 8 xmax 0, \
                       blkref #0: rel 1663/5/16384 blk 13, blkref #1: rel 1663/5/16384 blk 12";
        let sixteen = "prev 0/0, desc: HOT_UPDATE old_xmax: 740, old_off: 3, old_infobits: [], \
                       flags: 0x20, new_xmax: 0, new_off: 8, blkref #0: rel 1663/5/16384 blk 12 FPW";
        let expected = OldRow { block: 12, offset: 3, deleted: false };
        assert_eq!(row(fifteen), Some(expected));
        assert_eq!(row(sixteen), Some(expected));
        let deleted = "prev 0/0, desc: DELETE off 5 flags 0x00, blkref #0: rel 1663/5/16384 blk 0";
        assert_eq!(row(deleted), Some(OldRow { block: 0, offset: 5, deleted: true }));
        let other = "prev 0/0, desc: DELETE off 5 flags 0x00, blkref #0: rel 1663/5/1259 blk 0";
        assert_eq!(row(other), None);
    }

    #[test]
    fn a_commit_record_is_read() {
        let line = "rmgr: Transaction len (rec/tot): 1665/ 1665, tx: 742, lsn: 0/017B3348, prev \
                    0/0, desc: COMMIT 2026-11-21 05:34:28.080948 UTC; rels: base/5/16392 \
                    base/5/16391; subxacts: 743 744; dropped stats: 2/5/1; inval msgs: catcache 5";
        let mut seen = Transaction::empty(742);
        seen.add(&parse(line).unwrap());
        assert_eq!(seen.removed_files, ["base/5/16392", "base/5/16391"]);
        assert_eq!(seen.subxids, [743, 744]);
        assert_eq!(seen.ended, Ended::Committed);
        assert_eq!(seen.ended_at.unwrap().to_string(), "2026-11-21T05:34:28.080948Z");
    }

    #[test]
    fn lsns_are_read_and_written() {
        let lsn: Lsn = "1/0A0000FF".parse().unwrap();
        assert_eq!((lsn.0, lsn.to_string().as_str()), (0x1_0A00_00FF, "1/A0000FF"));
        assert!("1-2".parse::<Lsn>().is_err());
    }
}
