//! Reads every page of every table in small portions, so that damage is found before a client
//! finds it.
//!
//! A page is asked for by a row number that no page has (`ctid = '(4711,65535)'`): the server
//! reads it and verifies its checksum, and finds no row. Nothing is decided about rows, so no
//! hint bit is set and no page is written (a `count(*)` over a freshly loaded table would put
//! all of it into the WAL). What is already in shared buffers is not read from disk again.
//! Pages of indexes cannot be asked for in SQL; `checks` and `pg_amcheck` look at those.

use crate::error::Error;
use pgward_model::name::Relation;
use pgward_model::sample::{DamagedBlock, Gap};
use pgward_pg::prelude::*;
use pgward_pg::session::get;
use pgward_pg::session::tids::Tids;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

/// A scan that goes on for ever, a tick at a time.
pub struct Scanner {
    target: Target,
    bytes_per_s: f64,
    /// A pass takes at least this many seconds, once the size of one is known.
    pass_min_s: f64,
    /// Blocks read in this pass, and in the one before it.
    n_blocks: u64,
    n_blocks_before: Option<u64>,
    session: Option<Session>,
    block_bytes: f64,
    /// What is left of this pass, longest not read first.
    queue: VecDeque<Table>,
    current: Option<Cursor>,
    /// When each relation was read to its end, by oid: the number of the pass.
    read_in_pass: HashMap<u32, u64>,
    pass: u64,
    /// A pass has begun and its end was not reported.
    in_pass: bool,
    pace: Pace,
    /// Relations, by oid, that somebody rewrote, dropped or locked at the last look.
    wanted: HashSet<u32>,
    /// When to look again.
    next_look: clock::Deadline,
    files: Files,
    /// Gaps that hold for a whole pass, told once in it.
    told: Vec<String>,
}

/// What one tick has found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScanReport {
    pub damaged: Vec<DamagedBlock>,
    pub blocks_scanned: u64,
    /// Where the scan is.
    pub relation: Option<Relation>,
    /// Every relation that can be read was read once more.
    pub pass_complete: bool,
    pub gaps: Vec<Gap>,
}

#[derive(Debug, Clone)]
struct Table {
    oid: u32,
    relation: Relation,
}

#[derive(Debug, Clone)]
struct Cursor {
    table: Table,
    next: u32,
    n_blocks: u32,
    n_damaged: u32,
}

/// Reads per second while nobody else is slowed down: 1 TB in 9 h where it comes from files, and 1
/// to 2% of one core.
pub const BYTES_PER_S: f64 = 32.0 * 1024.0 * 1024.0;

/// A small database is read whole this often, not as often as the rate would allow: on 48 MB,
/// the most that is read at the full rate, damage is met after 0.75 s in the mean.
const PASS_MIN_S: f64 = 1.5;

/// 2 MB: read in 2 ms from memory and in 20 ms from a disk, below what anybody notices.
const PORTION_BLOCKS: u32 = 256;

/// Catalogs are a hundred small tables that every session reads anyway; in a small database
/// they would be most of the scan's queries.
const CATALOGS_EVERY: u64 = 20;

/// While the server reads (or appends) fewer blocks of its files than one in this many that the
/// scan asks for, it has them in memory;
const IN_MEMORY: u64 = 10;
/// the scan then takes this many times longer: it waits for what leaves the memory. A small database
/// is read in portions of a tick each, as before.
const IN_MEMORY_SLOWER: f64 = 4.0;

/// A relation with more bad pages than this is lost as a whole; the rest is not listed.
const DAMAGED_MAX: u32 = 100;

/// Line pointers end at 2,048 for the largest page, so no page has this row.
const NO_ROW: u16 = 65_535;

/// We stand in a lock queue no longer than this: nobody may wait behind us.
const LOCK_TIMEOUT: &str = "20ms";
/// A rewrite that waits is told from one look to the next.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Does the server read its files at all? A page that it has in memory is not verified again, so
/// a scan of such pages finds nothing.
#[derive(Default)]
struct Files {
    /// Blocks that any session had read from them at the last look, and that we had asked for.
    at_look: Option<(i64, u64)>,
    /// Blocks that we have asked for.
    n_asked: u64,
    /// Hardly any was read between the last two looks.
    rest: bool,
}

/// How fast the scan may go, from how its last portions went.
struct Pace {
    /// Seconds per block as usual: a mean that forgets.
    usual_s: Option<f64>,
    /// Pauses are this many times longer than the rate asks for.
    slower: f64,
}

// Tables of users come first: what they lose is gone. TOAST and, in some passes, catalogs
// follow (their OIDs are below 16384, manual, System Catalog Initial Data).
const TABLES: &str = "\
SELECT c.oid,
       n.nspname::text,
       c.relname::text,
       pg_catalog.has_table_privilege(c.oid, 'SELECT')
           AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_am a ON a.oid = c.relam AND a.amname = 'heap'
WHERE c.relkind IN ('r', 'm', 't')
  AND c.relpersistence <> 't'
  AND (c.oid >= 16384 OR $1)
ORDER BY n.nspname IN ('pg_catalog', 'information_schema'),
         c.relkind = 't',
         c.relpages DESC";

const SETTINGS: &str = "\
SELECT pg_catalog.current_setting('block_size')::int,
       pg_catalog.current_setting('data_checksums'),
       pg_catalog.current_setting('zero_damaged_pages'),
       pg_catalog.current_setting('ignore_checksum_failure', true)";

// Somebody rewrites, drops or locks them: come back later rather than queue. What all databases
// share is of database 0 (manual, pg_locks).
const WANTED: &str = "\
SELECT l.relation
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_database d ON d.oid = l.database
WHERE l.locktype = 'relation'
  AND l.mode = 'AccessExclusiveLock'
  AND (l.database = 0 OR d.datname = pg_catalog.current_database())";

// Blocks of this database that were not in shared buffers, by all its sessions; a session tells its
// own once a second.
const READ: &str = "\
SELECT CASE WHEN pg_catalog.current_setting('track_counts')::bool THEN
           pg_catalog.pg_stat_get_db_blocks_fetched(d.oid)
           - pg_catalog.pg_stat_get_db_blocks_hit(d.oid)
       END
FROM pg_catalog.pg_database d
WHERE d.datname = pg_catalog.current_database()";

const SIZE: &str = "SELECT pg_catalog.pg_relation_size($1::oid::regclass)";

const BY_FILENODE: &str = "\
SELECT n.nspname::text,
       c.relname::text,
       tn.nspname::text,
       t.relname::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
LEFT JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
WHERE c.oid = pg_catalog.pg_filenode_relation($1, $2)";

const PATH: &str = "SELECT coalesce(pg_catalog.pg_relation_filepath($1::oid::regclass), '')";

impl Scanner {
    /// A scan of one database that reads up to [`BYTES_PER_S`], all of it once in 1.5 s at most.
    /// Needs `pg_read_all_data`; relations without the right are gaps.
    pub fn new(target: Target) -> Scanner {
        Scanner { pass_min_s: PASS_MIN_S, ..Scanner::with_rate(target, BYTES_PER_S) }
    }

    /// As [`Scanner::new`], with a rate of one's own and one pass after the other.
    pub fn with_rate(target: Target, bytes_per_s: f64) -> Scanner {
        Scanner {
            target,
            bytes_per_s: bytes_per_s.max(1.0),
            pass_min_s: 0.0,
            n_blocks: 0,
            n_blocks_before: None,
            session: None,
            block_bytes: 8192.0,
            queue: VecDeque::new(),
            current: None,
            read_in_pass: HashMap::new(),
            pass: 0,
            in_pass: false,
            pace: Pace { usual_s: None, slower: 1.0 },
            wanted: HashSet::new(),
            next_look: clock::Deadline::after(Duration::ZERO),
            files: Files::default(),
            told: Vec::new(),
        }
    }

    /// Scans for about `budget`, at most one portion longer, and goes on there next time.
    /// Returns early when something was found. Whatever cannot be done is a gap.
    pub fn tick(&mut self, budget: Duration) -> ScanReport {
        let deadline = clock::Deadline::after(budget);
        let mut report = ScanReport::default();
        let session = match self.session.take().filter(|s| !s.is_closed()) {
            Some(session) => Ok(session),
            None => self.connect(&mut report),
        };
        let scanned = session.and_then(|session| {
            let done = self.scan(&session, deadline, &mut report);
            self.session = (!session.is_closed()).then_some(session);
            done
        });
        if let Err(error) = scanned {
            report.gaps.push(gap(error.to_string()));
        }
        if report.damaged.is_empty() {
            std::thread::sleep(deadline.left());
        }
        report.relation = self.current.as_ref().map(|c| c.table.relation.clone());
        report
    }

    fn connect(&mut self, report: &mut ScanReport) -> Result<Session, Error> {
        let session = Session::connect(&self.target, Purpose::Inspect)?;
        self.files = Files::default();
        // A whole-table scan in place of our few pages would be slower and set hint bits.
        session.simple("SET enable_seqscan = off; SET enable_tidscan = on")?;
        session.simple(&format!("SET lock_timeout = '{LOCK_TIMEOUT}'"))?;
        let rows = session.query(SETTINGS, &[])?;
        if let Some(row) = rows.first() {
            self.block_bytes = f64::from(get::<i32>(row, 0)?);
            let on = |i| get::<Option<String>>(row, i).map(|v| v.as_deref() == Some("on"));
            if !on(1)? {
                let why = "the server has no page checksums: only broken page headers are seen";
                report.gaps.push(gap(why.to_owned()));
            }
            if on(2)? || on(3)? {
                let why = "zero_damaged_pages or ignore_checksum_failure is on: damage is hidden";
                report.gaps.push(gap(why.to_owned()));
            }
        }
        Ok(session)
    }

    fn scan(
        &mut self,
        session: &Session,
        deadline: clock::Deadline,
        report: &mut ScanReport,
    ) -> Result<(), Error> {
        self.resume(session, report)?;
        while !deadline.passed() && report.damaged.is_empty() {
            let begin = clock::instant();
            let Some(mut cursor) = self.next_cursor(session, report)? else {
                report.pass_complete = !session.is_closed();
                self.in_pass = session.is_closed();
                if report.pass_complete {
                    self.n_blocks_before = Some(std::mem::take(&mut self.n_blocks));
                }
                return Ok(());
            };
            let (from, to) =
                (cursor.next, cursor.n_blocks.min(cursor.next.saturating_add(PORTION_BLOCKS)));
            let read = match cursor.n_blocks {
                0 => Ok(()),
                _ => self.portion(session, &mut cursor, to, report),
            };
            match read {
                Ok(()) => {}
                // Lock not granted, or the relation is gone: its turn comes again next pass.
                Err(error) if !session.is_closed() => {
                    report.gaps.push(gap(format!("{}: {error}", cursor.table.relation)));
                    self.current = None;
                    continue;
                }
                Err(error) => {
                    self.current = Some(cursor);
                    return Err(error);
                }
            }
            let n_blocks = cursor.next - from;
            let took = begin.elapsed();
            self.current = (cursor.next < cursor.n_blocks).then_some(cursor.clone());
            if self.current.is_none() {
                self.read_in_pass.insert(cursor.table.oid, self.pass);
            }
            self.n_blocks += u64::from(n_blocks);
            self.files.n_asked += u64::from(n_blocks);
            let pause = match n_blocks {
                // Thousands of empty relations are asked for in a tenth of the time at most.
                0 => took * 9,
                _ => self.pace.pause(n_blocks, took, self.wanted_s_per_block()),
            };
            std::thread::sleep(pause.min(deadline.left()));
        }
        Ok(())
    }

    fn wanted_s_per_block(&self) -> f64 {
        let of_rate = self.block_bytes / self.bytes_per_s;
        let of_pass = self.n_blocks_before.map_or(0.0, |n| self.pass_min_s / n.max(1) as f64);
        of_rate.max(of_pass) * if self.files.rest { IN_MEMORY_SLOWER } else { 1.0 }
    }

    /// Leaves a relation that takes long to those who have asked for it since: looks once a second,
    /// when a tick begins. In between the time limit for locks must do, since to look at all locks
    /// costs the server more than to read a portion.
    fn resume(&mut self, session: &Session, report: &mut ScanReport) -> Result<(), Error> {
        if !self.next_look.passed() {
            return Ok(());
        }
        self.look(session)?;
        if let Some(cursor) = self.current.take()
            && !self.is_wanted(&cursor.table, report)
        {
            self.current = Some(cursor);
        }
        Ok(())
    }

    /// Learns which relations are asked for, and whether files are read.
    fn look(&mut self, session: &Session) -> Result<(), Error> {
        match session.query_one::<Option<i64>>(READ, &[])? {
            Some(n_read) => self.files.look(n_read),
            None => self.files = Files::default(), // nobody counts
        }
        let rows = session.query(WANTED, &[])?;
        self.wanted = rows.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
        self.next_look = clock::Deadline::after(LOOK_EVERY);
        Ok(())
    }

    /// Where to read next; `None` when a pass is complete.
    fn next_cursor(
        &mut self,
        session: &Session,
        report: &mut ScanReport,
    ) -> Result<Option<Cursor>, Error> {
        if let Some(cursor) = self.current.take() {
            return Ok(Some(cursor));
        }
        if !self.in_pass {
            self.begin_pass(session, report)?;
        }
        while let Some(table) = self.queue.pop_front() {
            if self.is_wanted(&table, report) {
                continue;
            }
            // Dropped since: it has no size.
            let bytes = match session.query_one::<Option<i64>>(SIZE, &[&table.oid]) {
                Ok(bytes) => bytes,
                Err(_) if session.is_closed() => return Ok(None),
                // Locked since the last look: so may be others, and none is worth waiting for.
                Err(error) if error.sqlstate() == Some("55P03") => {
                    self.look(session)?;
                    self.wanted.insert(table.oid);
                    self.is_wanted(&table, report);
                    continue;
                }
                Err(error) => {
                    report.gaps.push(gap(format!("{}: {error}", table.relation)));
                    continue;
                }
            };
            let n_blocks = (bytes.unwrap_or(0) as f64 / self.block_bytes) as u32;
            return Ok(Some(Cursor { table, next: 0, n_blocks, n_damaged: 0 }));
        }
        Ok(None)
    }

    fn begin_pass(&mut self, session: &Session, report: &mut ScanReport) -> Result<(), Error> {
        self.pass += 1;
        self.in_pass = true;
        self.told.clear();
        self.look(session)?;
        let mut unreadable = Vec::new();
        let mut tables = Vec::new();
        let with_catalogs = self.pass % CATALOGS_EVERY == 1;
        for row in session.query(TABLES, &[&with_catalogs])? {
            let relation = Relation::new(get::<String>(&row, 1)?, get::<String>(&row, 2)?);
            if get::<bool>(&row, 3)? {
                tables.push(Table { oid: get(&row, 0)?, relation });
            } else {
                unreadable.push(relation.to_string());
            }
        }
        tables.sort_by_key(|t| self.read_in_pass.get(&t.oid).copied().unwrap_or(0));
        self.read_in_pass.retain(|oid, _| tables.iter().any(|t| t.oid == *oid));
        self.queue = tables.into();
        if let Some(first) = unreadable.first() {
            let why = format!(
                "{} relations ({first}, ...) may not be read: GRANT pg_read_all_data TO {}",
                unreadable.len(),
                self.target.role()
            );
            report.gaps.push(gap(why));
        }
        Ok(())
    }

    /// Did anybody hold or wait for ACCESS EXCLUSIVE on it at the last look?
    fn is_wanted(&mut self, table: &Table, report: &mut ScanReport) -> bool {
        let wanted = self.wanted.contains(&table.oid);
        let name = table.relation.to_string();
        if wanted && !self.told.contains(&name) {
            report.gaps.push(gap(format!("{name} left out: ACCESS EXCLUSIVE is asked for")));
            self.told.push(name);
        }
        wanted
    }

    /// Reads up to block `to`, around what is damaged.
    fn portion(
        &mut self,
        session: &Session,
        cursor: &mut Cursor,
        to: u32,
        report: &mut ScanReport,
    ) -> Result<(), Error> {
        while cursor.next < to {
            let Err(error) = read(session, &cursor.table.relation, cursor.next, to) else {
                report.blocks_scanned += u64::from(to - cursor.next);
                cursor.next = to;
                return Ok(());
            };
            if !is_damage(&error) {
                return Err(error.into());
            }
            let found = locate(session, &cursor.table, cursor.next, to, &error)?;
            let here = found.relation == cursor.table.relation;
            let next = if here { found.block + 1 } else { cursor.n_blocks };
            if here {
                report.blocks_scanned += u64::from(next - cursor.next);
            }
            cursor.next = next;
            cursor.n_damaged += 1;
            if !report.damaged.contains(&found) {
                report.damaged.push(found);
            }
            if cursor.n_damaged >= DAMAGED_MAX {
                let name = &cursor.table.relation;
                report.gaps.push(gap(format!("{name}: given up after {DAMAGED_MAX} bad blocks")));
                cursor.next = cursor.n_blocks;
            }
        }
        Ok(())
    }
}

impl Files {
    fn look(&mut self, n_read: i64) {
        let Some((read_then, asked_then)) = self.at_look else {
            self.at_look = Some((n_read, self.n_asked));
            return;
        };
        let n_asked = self.n_asked - asked_then;
        if n_asked >= IN_MEMORY {
            let n_read_since = n_read.saturating_sub(read_then).max(0).unsigned_abs();
            self.rest = n_read_since < n_asked / IN_MEMORY;
            self.at_look = Some((n_read, self.n_asked));
        }
    }
}

impl Pace {
    /// How long to wait after a portion. Pauses double while portions take far longer than
    /// usual, because somebody else needs the disk, and shrink again when that is over.
    fn pause(&mut self, n_blocks: u32, took: Duration, block_s: f64) -> Duration {
        if n_blocks == 0 {
            return Duration::ZERO;
        }
        let each = took.as_secs_f64() / f64::from(n_blocks);
        let usual = *self.usual_s.get_or_insert(each);
        // 20 ms: shorter ones are the scheduler's noise.
        if each > 4.0 * usual && took > Duration::from_millis(20) {
            self.slower = (self.slower * 2.0).min(16.0);
        } else {
            self.slower = (self.slower * 0.8).max(1.0);
        }
        self.usual_s = Some(0.95 * usual + 0.05 * each);
        let due = Duration::from_secs_f64(block_s * f64::from(n_blocks) * self.slower);
        due.saturating_sub(took)
    }
}

/// Does this block read now? `None`: it does. To prove that a repair has worked.
///
/// # Errors
/// [`Error::Pg`] for anything but damage.
pub fn read_block(
    session: &Session,
    relation: &Relation,
    block: u32,
) -> Result<Option<DamagedBlock>, Error> {
    session.simple("SET enable_seqscan = off")?;
    let outcome = read(session, relation, block, block.saturating_add(1));
    session.simple("RESET enable_seqscan")?;
    match outcome {
        Ok(()) => Ok(None),
        Err(error) if is_damage(&error) => {
            let message = error.message();
            let found = resolve(session, &message)?.filter(|d| d.relation.same_as(relation));
            Ok(Some(found.unwrap_or_else(|| DamagedBlock {
                relation: relation.clone(),
                index_of: None,
                block,
                path: String::new(),
                message,
            })))
        }
        Err(error) => Err(error.into()),
    }
}

/// The block that a message of the server (of a query or in the log) says is damaged;
/// `None` when it does not say, or when the file is of no relation of this database.
///
/// # Errors
/// [`Error::Pg`].
pub fn resolve(session: &Session, message: &str) -> Result<Option<DamagedBlock>, Error> {
    let Some(named) = named_in(message) else { return Ok(None) };
    let rows = session.query(BY_FILENODE, &[&named.tablespace, &named.filenode])?;
    let Some(row) = rows.first() else { return Ok(None) };
    let table: (Option<String>, Option<String>) = (get(row, 2)?, get(row, 3)?);
    Ok(Some(DamagedBlock {
        relation: Relation::new(get::<String>(row, 0)?, get::<String>(row, 1)?),
        index_of: table.0.zip(table.1).map(|(schema, name)| Relation::new(schema, name)),
        block: named.block,
        path: named.path,
        message: message.to_owned(),
    }))
}

/// Asks for the pages `from` to before `to`.
fn read(
    session: &Session,
    relation: &Relation,
    from: u32,
    to: u32,
) -> Result<(), pgward_pg::error::Error> {
    let sql = format!("SELECT FROM ONLY {} WHERE ctid = ANY ($1)", relation.quoted());
    session.query(&sql, &[&Tids { blocks: from..to, row: NO_ROW }]).map(drop)
}

/// Data corrupted, index corrupted, I/O error, file missing (manual, Error Codes).
fn is_damage(error: &pgward_pg::error::Error) -> bool {
    matches!(error.sqlstate(), Some("XX001" | "XX002" | "58030" | "58P01"))
}

/// The first bad block among `from` to before `to`, by the server's message, or, where that
/// does not name one (it may be in any language), by halving.
fn locate(
    session: &Session,
    table: &Table,
    mut from: u32,
    mut to: u32,
    error: &pgward_pg::error::Error,
) -> Result<DamagedBlock, Error> {
    let mut message = error.message();
    if let Some(found) = resolve(session, &message)? {
        let elsewhere = found.relation != table.relation;
        if elsewhere || (from..to).contains(&found.block) {
            return Ok(found);
        }
    }
    while to - from > 1 {
        let middle = from + (to - from) / 2;
        match read(session, &table.relation, from, middle) {
            Ok(()) => from = middle,
            Err(error) if is_damage(&error) => {
                message = error.message();
                to = middle;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let path = session.query_one(PATH, &[&table.oid])?;
    let relation = table.relation.clone();
    Ok(DamagedBlock { relation, index_of: None, block: from, path, message })
}

/// What a message names: `invalid page in block 2 of relation base/16384/16385` to 17,
/// with the path in quotes from 18 on.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    block: u32,
    path: String,
    /// 0: the database's own.
    tablespace: u32,
    filenode: u32,
}

/// `pg_global`, `src/include/catalog/pg_tablespace.dat`.
const GLOBAL_TABLESPACE: u32 = 1664;

fn named_in(message: &str) -> Option<Named> {
    let words: Vec<&str> = message
        .split(|c: char| c.is_whitespace() || "\"\u{201e}\u{201c}«»;,:".contains(c))
        .collect();
    let path = *words
        .iter()
        .find(|w| ["base/", "global/", "pg_tblspc/"].iter().any(|start| w.starts_with(start)))?;
    let after = words.iter().skip_while(|w| **w != "block");
    let block = after.skip(1).find(|w| !w.is_empty())?.parse().ok()?;
    let parts: Vec<&str> = path.split('/').collect();
    let (tablespace, file) = match parts.as_slice() {
        ["base", _, file] => (0, *file),
        ["global", file] => (GLOBAL_TABLESPACE, *file),
        ["pg_tblspc", tablespace, _, _, file] => (tablespace.parse().ok()?, *file),
        _ => return None,
    };
    let filenode = file.split(['.', '_']).next()?.parse().ok()?;
    Some(Named { block, path: path.to_owned(), tablespace, filenode })
}

fn gap(why: String) -> Gap {
    Gap { sampler: "integrity".to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, expected: Option<(u32, &str, u32, u32)>) {
        let named = named_in(message);
        let got = named.as_ref().map(|n| (n.block, n.path.as_str(), n.tablespace, n.filenode));
        assert_eq!(got, expected, "{message}");
    }

    #[test]
    fn what_is_in_memory_is_scanned_slower_until_files_are_read_again() {
        let mut files = Files::default();
        let mut after = |n_asked: u64, n_read: i64| {
            files.n_asked += n_asked;
            files.look(n_read);
            files.rest
        };
        assert!(!after(4_000, 50_000), "nothing to compare with");
        assert!(!after(4_000, 53_000));
        assert!(after(4_000, 53_399));
        assert!(after(5, 60_000), "too few were asked for to tell");
        assert!(!after(5, 60_001));
        assert!(after(4_000, 3), "the counters began anew");
    }

    #[test]
    fn messages_of_all_majors_are_read() {
        check(
            "invalid page in block 2 of relation base/16384/16385",
            Some((2, "base/16384/16385", 0, 16_385)),
        );
        check(
            "invalid page in block 131099 of relation \"global/1262\"",
            Some((131_099, "global/1262", GLOBAL_TABLESPACE, 1262)),
        );
        check(
            "could not read block 7 in file \"base/5/16385.1\": read only 0 of 8192 bytes",
            Some((7, "base/5/16385.1", 0, 16_385)),
        );
        check(
            "invalid page in block 3 of relation pg_tblspc/16400/PG_15_202209061/5/16401_vm",
            Some((3, "pg_tblspc/16400/PG_15_202209061/5/16401_vm", 16_400, 16_401)),
        );
        check("2 invalid pages among blocks 10..25 of relation \"base/5/16385\"", None);
        check("relation \"orders\" does not exist", None);
    }

    #[test]
    fn the_scan_gives_way_and_comes_back() {
        let mut pace = Pace { usual_s: None, slower: 1.0 };
        let (fast, slow) = (Duration::from_millis(4), Duration::from_millis(80));
        let usual = pace.pause(256, fast, 0.000_25);
        assert_eq!(usual.as_millis(), 60);
        let first = pace.pause(256, slow, 0.000_25);
        let second = pace.pause(256, slow, 0.000_25);
        assert!(second > first && first.as_millis() < 60 && second.as_millis() > 100);
        for _ in 0..20 {
            pace.pause(256, fast, 0.000_25);
        }
        assert_eq!(pace.pause(256, fast, 0.000_25), usual);
    }
}
