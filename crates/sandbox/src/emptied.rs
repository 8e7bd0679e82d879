//! Finds how far back emptied tables must go to have all their rows again, by what the log tells.

use crate::error::Error;
use crate::wal::{self, Ended, Lsn, Record, Transaction, WalSource};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// A point at which tables, by their OID, have rows that they lost after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// A side server stopped just before this has them.
    pub target: Lsn,
    pub tables: Vec<u32>,
}

/// What empties a table twice does so within this many seconds: the table had rows when it was last
/// counted, by counters that come at most 15 s late and are read every 2 s.
const RUN_S: f64 = 20.0;

/// Earlier transactions that are looked at, the newest of them.
const EARLIER_MAX: usize = 500;

/// Where to go back to for tables of `database` that the committed transactions `seen` emptied:
/// the latest moment first, so that a table comes before those that refer to it.
///
/// A table that was emptied more than once in a row goes back to the first time. Where rows may
/// have come in between, it has the moment before those went as well: both are its rows, and it
/// may have none at the later one. Moments between which nobody wrote a row are one.
///
/// # Errors
/// As [`wal::transaction`]; [`Error::NotInWal`] when one of `seen` has not committed.
pub fn moments(
    source: &WalSource,
    database: u32,
    seen: &BTreeMap<u64, Vec<u32>>,
) -> Result<Vec<Moment>, Error> {
    let mut known = Vec::with_capacity(seen.len());
    for (xid, tables) in seen {
        let transaction = wal::transaction(source, *xid)?;
        known.push(Emptying::seen(source, database, transaction, tables)?);
    }
    let Some(last) = known.iter().map(|e| e.end).max() else { return Ok(Vec::new()) };
    let source = WalSource { until: Some(last), ..source.clone() };
    let earlier = earlier(&source, database, &known)?;
    let mut all: Vec<&Emptying> = known.iter().chain(&earlier).collect();
    all.sort_by_key(|e| e.end);
    let Some(first) = all.iter().map(|e| e.first_lsn).min() else { return Ok(Vec::new()) };
    let files = match all.as_slice() {
        [_] => Files::default(),
        several => Files::read(&source.starting_at(first), database, several)?,
    };
    let mut points: BTreeMap<Lsn, BTreeSet<u32>> = BTreeMap::new();
    for emptying in &known {
        for table in &emptying.tables {
            for end in run(&files, emptying, *table, &earlier) {
                points.entry(end).or_default().insert(*table);
            }
        }
    }
    Ok(joined(&files, &all, &points))
}

/// The points as moments, the latest first. One joins the moment just before it, and no other, where
/// no file that its transaction removed was written to since, nor can have rows of one who was at
/// work at the earlier moment and committed later: so the order of the tables stays.
fn joined(files: &Files, all: &[&Emptying], points: &BTreeMap<Lsn, BTreeSet<u32>>) -> Vec<Moment> {
    let mut moments: Vec<Moment> = Vec::new();
    for (end, tables) in points {
        let as_it_was = |from: Lsn| {
            let here = all.iter().filter(|e| e.end == *end);
            // What one of the points made anew was asked for at that point.
            let is_new = |file: u32| {
                let by = |e: &&Emptying| files.is_made_by(file, e) && points.contains_key(&e.end);
                files.is_made_after(file, from) && !all.iter().copied().any(|e| by(&e))
            };
            let mut removed = here.flat_map(|e| &e.removed);
            !files.is_any_open(from, *end)
                && removed.all(|file| !is_new(*file) && !files.is_written(*file, from, *end))
        };
        match moments.last_mut() {
            Some(m) if as_it_was(m.target) => {
                let more = tables.iter().filter(|t| !m.tables.contains(t)).copied();
                let more: Vec<u32> = more.collect();
                m.tables.extend(more);
            }
            _ => moments.push(Moment { target: *end, tables: tables.iter().copied().collect() }),
        }
    }
    moments.reverse();
    moments
}

/// A committed transaction that took tables their files.
#[derive(Debug)]
struct Emptying {
    xids: Vec<u32>,
    first_lsn: Lsn,
    end: Lsn,
    ended_at: Option<jiff::Timestamp>,
    tables: Vec<u32>,
    /// Files its commit removed.
    removed: Vec<u32>,
}

impl Emptying {
    fn seen(
        source: &WalSource,
        database: u32,
        transaction: Transaction,
        tables: &[u32],
    ) -> Result<Emptying, Error> {
        match transaction.end_lsn {
            Some(end) if transaction.ended == Ended::Committed => Ok(Emptying {
                end,
                first_lsn: transaction.first_lsn,
                ended_at: transaction.ended_at,
                tables: tables.to_vec(),
                removed: removed(&transaction, database),
                xids: std::iter::once(transaction.xid).chain(transaction.subxids).collect(),
            }),
            _ => Err(Error::NotInWal {
                what: format!("the commit of transaction {}", transaction.xid),
                from: source.from.to_string(),
                to: "its end".to_owned(),
            }),
        }
    }
}

fn removed(transaction: &Transaction, database: u32) -> Vec<u32> {
    transaction.removed_files.iter().filter_map(|path| file(path, database)).collect()
}

/// The number of a file of the database: `base/5/16384`; of no fork but the main one.
fn file(path: &str, database: u32) -> Option<u32> {
    let mut parts = path.trim().rsplit('/');
    let number = parts.next()?.parse().ok()?;
    (parts.next()?.parse() == Ok(database)).then_some(number)
}

/// Ends of the transactions before which the table has rows that `emptying` and those just before
/// it took, the last one first.
fn run(files: &Files, emptying: &Emptying, table: u32, earlier: &[Emptying]) -> Vec<Lsn> {
    let mut ends = vec![emptying.end];
    let mut next = emptying;
    let before = earlier.iter().rev().filter(|e| e.end < emptying.end && e.tables.contains(&table));
    for one in before.take_while(|e| is_near(e, emptying)) {
        match files.written_between(one, next) {
            None => break,
            Some(true) => {}
            // Who has lost nothing since then has nothing to fetch from the later moment.
            Some(false) => ends.retain(|end| *end != next.end),
        }
        ends.push(one.end);
        next = one;
    }
    ends
}

fn is_near(earlier: &Emptying, emptying: &Emptying) -> bool {
    let (Some(from), Some(to)) = (earlier.ended_at, emptying.ended_at) else { return false };
    to.duration_since(from).as_secs_f64() <= RUN_S
}

/// Transactions that locked one of the tables exclusively before it was seen to be emptied and whose
/// commit removed files, the first one first.
fn earlier(source: &WalSource, database: u32, known: &[Emptying]) -> Result<Vec<Emptying>, Error> {
    let tables: BTreeSet<u32> = known.iter().flat_map(|e| &e.tables).copied().collect();
    let mut lockers: Lockers = BTreeMap::new();
    source.each(&["-r", "Standby"], |record| {
        for (xid, on, table) in wal::lockers(record.desc) {
            let is_known = known.iter().any(|e| e.xids.contains(&xid));
            if on == database && tables.contains(&table) && !is_known {
                lockers.entry(xid).or_insert((record.lsn, BTreeSet::new())).1.insert(table);
            }
        }
        ControlFlow::Continue(())
    })?;
    let Some(first) = lockers.values().map(|(lsn, _)| *lsn).min() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    source.clone().starting_at(first).each(&["-r", "Transaction"], |record| {
        let one = committed(record, database, &lockers);
        found.extend(one.filter(|e| known.iter().any(|k| is_near(e, k))));
        ControlFlow::Continue(())
    })?;
    let n_old = found.len().saturating_sub(EARLIER_MAX);
    found.drain(..n_old);
    Ok(found)
}

/// By transaction, where it got its first lock on one of the tables, and on which.
type Lockers = BTreeMap<u32, (Lsn, BTreeSet<u32>)>;

/// What a commit record says of a transaction that locked tables.
fn committed(record: &Record<'_>, database: u32, lockers: &Lockers) -> Option<Emptying> {
    if !record.desc.starts_with("COMMIT") {
        return None;
    }
    let xids = wal::committed_xids(record);
    let mut seen = Transaction::empty(*xids.first()?);
    seen.add(record);
    let locks = || xids.iter().filter_map(|xid| lockers.get(xid));
    let first_lsn = locks().map(|(lsn, _)| *lsn).min()?;
    let tables = locks().flat_map(|(_, tables)| tables).copied().collect();
    let (end, ended_at, removed) = (record.lsn, seen.ended_at, removed(&seen, database));
    (!removed.is_empty()).then_some(Emptying { xids, first_lsn, end, ended_at, tables, removed })
}

/// What became of the files of some transactions.
#[derive(Debug, Default)]
struct Files {
    /// Where each was made, and by which transaction.
    made: BTreeMap<u32, (Lsn, u32)>,
    /// Where each got its first page by another way than by a row.
    paged: BTreeMap<u32, Lsn>,
    written: BTreeMap<u32, Written>,
    /// By transaction, where it first wrote a row to any file.
    begun: BTreeMap<u32, Lsn>,
    /// Commits, with the ids of the transaction and its parts.
    commits: Vec<(Lsn, Vec<u32>)>,
    /// The oldest of the transactions in question: what began before it began before all.
    oldest: Option<u32>,
}

/// Rows written to a file.
#[derive(Debug)]
struct Written {
    first: Lsn,
    at: Vec<Lsn>,
    by: BTreeSet<u32>,
    /// Before the first of them the file had no page.
    was_empty: bool,
}

impl Files {
    /// Files that are made from here on, and what is written to them and to those that one of
    /// `emptyings` removed.
    fn read(source: &WalSource, database: u32, emptyings: &[&Emptying]) -> Result<Files, Error> {
        let mut files = Files::default();
        source.each(&["-r", "Storage"], |record| {
            let path = record.desc.strip_prefix("CREATE ");
            let made = path.and_then(|path| file(path, database));
            files.made.extend(made.map(|file| (file, (record.lsn, record.xid))));
            ControlFlow::Continue(())
        })?;
        // An index always has a page, written as a whole but for these kinds.
        for kind in ["XLOG", "Hash", "BRIN"] {
            source.each(&["-r", kind], |record| {
                for (_, number) in wal::files_in(record).filter(|(on, _)| *on == database) {
                    if files.made.contains_key(&number) {
                        files.paged.entry(number).or_insert(record.lsn);
                    }
                }
                ControlFlow::Continue(())
            })?;
        }
        let removed = emptyings.iter().flat_map(|e| &e.removed);
        let wanted: BTreeSet<u32> = removed.chain(files.made.keys()).copied().collect();
        for kind in ["Heap", "Heap2"] {
            source.each(&["-r", kind], |record| {
                let begun = files.begun.entry(record.xid).or_insert(record.lsn);
                *begun = record.lsn.min(*begun);
                let row = wal::row_written(record).filter(|row| row.database == database);
                if let Some(row) = row.filter(|row| wanted.contains(&row.relfilenode)) {
                    files.add(&row, record);
                }
                ControlFlow::Continue(())
            })?;
        }
        source.each(&["-r", "Transaction"], |record| {
            if record.desc.starts_with("COMMIT") {
                files.commits.push((record.lsn, wal::committed_xids(record)));
            }
            ControlFlow::Continue(())
        })?;
        let first = emptyings.iter().min_by_key(|e| e.first_lsn);
        files.oldest = first.and_then(|e| e.xids.first()).copied();
        Ok(files)
    }

    /// Did a transaction commit between these points that had written rows before the first?
    fn is_any_open(&self, from: Lsn, to: Lsn) -> bool {
        // Ids run in a circle.
        let is_older = |xid: u32| self.oldest.is_some_and(|o| (xid.wrapping_sub(o) as i32) < 0);
        let had_begun =
            |xid: &u32| is_older(*xid) || self.begun.get(xid).is_some_and(|b| *b < from);
        let between = self.commits.iter().filter(|(at, _)| *at > from && *at < to);
        between.flat_map(|(_, xids)| xids).any(had_begun)
    }

    fn add(&mut self, row: &wal::RowWritten, record: &Record<'_>) {
        let (first, was_empty) = (record.lsn, row.is_first);
        let new = || Written { first, was_empty, at: Vec::new(), by: BTreeSet::new() };
        let written = self.written.entry(row.relfilenode).or_insert_with(new);
        if first < written.first {
            (written.first, written.was_empty) = (first, was_empty);
        }
        written.at.push(record.lsn);
        written.by.insert(record.xid);
    }

    fn is_written(&self, file: u32, from: Lsn, to: Lsn) -> bool {
        let mut at = self.written.get(&file).into_iter().flat_map(|w| &w.at);
        at.any(|at| (from..to).contains(at))
    }

    /// Did anyone write rows to the tables of `next` after `one` had emptied them? `None` where it
    /// made no empty table, or gave them rows itself.
    fn written_between(&self, one: &Emptying, next: &Emptying) -> Option<bool> {
        let made = next.removed.iter().filter(|file| self.is_made_by(**file, one));
        let made: Vec<&u32> = made.collect();
        let is_bare = |file: &&u32| {
            let paged = self.paged.get(*file);
            let filled = self.written.get(*file).map(|w| &w.first);
            paged.into_iter().chain(filled).all(|at| *at > one.end)
        };
        let is_refilled = |file: &&u32| {
            let written = self.written.get(*file);
            written.is_some_and(|w| !w.was_empty || one.xids.iter().any(|xid| w.by.contains(xid)))
        };
        if !made.iter().any(is_bare) || made.iter().any(is_refilled) {
            return None;
        }
        Some(next.removed.iter().any(|file| self.is_written(*file, one.end, next.end)))
    }

    fn is_made_by(&self, file: u32, emptying: &Emptying) -> bool {
        self.made.get(&file).is_some_and(|(_, xid)| emptying.xids.contains(xid))
    }

    fn is_made_after(&self, file: u32, from: Lsn) -> bool {
        self.made.get(&file).is_some_and(|(at, _)| *at > from)
    }
}
