//! Writes one damaged block of a table back from a side server that replayed all WAL.

use super::{Report, lock_timeout_ms, on_side, within};
use crate::error::Error;
use pgward_model::name::Relation;
use pgward_model::runbook::Limits;
use pgward_pg::prelude::*;
use pgward_pg::server::free_bytes;
use pgward_pg::session::get;
use pgward_pg::tools;
use pgward_sandbox::backup;
use pgward_sandbox::side::SideServer;
use pgward_sandbox::wal::{self, Lsn};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Where the block lies, as production says.
struct Place {
    database: u32,
    relfilenode: u32,
    /// Below the data directory, of the first segment.
    path: String,
    block_bytes: u64,
    blocks_per_file: u64,
}

/// Its rows: position and a digest of their text.
type Rows = Vec<(String, String)>;

const PLACE: &str = "
SELECT (SELECT d.oid FROM pg_catalog.pg_database d
        WHERE d.datname = pg_catalog.current_database()),
       pg_catalog.pg_relation_filenode(c.oid)::oid,
       pg_catalog.pg_relation_filepath(c.oid),
       pg_catalog.current_setting('block_size')::bigint,
       (SELECT s.setting::bigint FROM pg_catalog.pg_settings s WHERE s.name = 'segment_size'),
       pg_catalog.pg_relation_size(c.oid),
       c.relkind::text
FROM pg_catalog.pg_class c
WHERE c.oid = pg_catalog.to_regclass($1)";

/// The whole damaged file is kept as evidence when that leaves as much free again.
const ROOM_FACTOR: u64 = 2;

/// Restores one 8 kB block of a table, only those bytes, after keeping what is there in
/// `evidence_dir`. `production` must be a superuser of a server on this machine whose data
/// directory is `data_dir`; `side` replays all WAL ([`pgward_sandbox::side::Point::Latest`])
/// and is promoted by this.
///
/// # Errors
/// [`Error::Block`] when the block reads after all, checksums are off, it is no table's, or
/// the side does not have it whole; [`Error::NotLocal`]. Nothing is written then.
pub fn block(
    production: &Target,
    data_dir: &Path,
    side: &SideServer,
    relation: &Relation,
    block: u32,
    evidence_dir: &Path,
    limits: &Limits,
) -> Result<Report, Error> {
    let start = clock::instant();
    let deadline = clock::Deadline::after(within(limits));
    let wrong = |why: String| Error::Block { relation: relation.clone(), block, why };
    let here = Session::connect(production, Purpose::Recover)?;
    check_server(&here, data_dir, &wrong)?;
    // Until the end no VACUUM, no rewrite; readers and writers go on.
    let lock = format!(
        "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; \
         SET LOCAL lock_timeout = {}; {}",
        lock_timeout_ms(limits),
        lock(&here, relation)?
    );
    here.simple(&lock)?;
    let mut reader = Session::connect(production, Purpose::Inspect)?;
    let place = place(&reader, relation, block)?;
    let damage = match read_rows(&reader, relation, block) {
        Ok(rows) => {
            let n_rows = rows.len();
            return Err(wrong(format!("production reads it ({n_rows} rows), nothing to restore")));
        }
        Err(error) if error.sqlstate() == Some("XX001") => error.message(),
        Err(error) => return Err(error.into()),
    };
    let current: String =
        reader.query_one("SELECT pg_catalog.pg_current_wal_insert_lsn()::text", &[])?;
    bring_up_to(side, &reader, &place, block, current.parse()?, deadline, &wrong)?;
    let there = Session::connect(&on_side(side, production), Purpose::Private)?;
    let page = side_page(side, &there, relation, &place, block, &wrong)?;
    let rows = read_rows(&there, relation, block)
        .map_err(|e| wrong(format!("the side does not read it either: {}", e.message())))?;

    let file = data_dir.join(place.file(block));
    let mut report = Report { rows_restored: rows.len() as u64, ..Report::default() };
    report.notes.push(format!("production said: {damage}"));
    keep_evidence(&file, &place, block, relation, &page, evidence_dir, &mut report.notes)?;
    // The lock lives as long as its session; with it, the file is still the table's.
    if self::place(&here, relation, block)?.path != place.path {
        return Err(wrong("its file has changed meanwhile; nothing was written".to_owned()));
    }
    write_page(&file, place.offset(block), &page)?;
    if reader.is_closed() {
        reader = Session::connect(production, Purpose::Inspect)?;
    }
    let restored = read_rows(&reader, relation, block)
        .map_err(|e| wrong(format!("written, but production says: {}", e.message())))?;
    compare(&rows, &restored, &mut report);
    here.simple("ROLLBACK")?; // it was there for its lock alone
    report.objects.push(format!("block {block} of {relation}"));
    report.seconds = tools::seconds_since(start);
    Ok(report)
}

/// What takes SHARE UPDATE EXCLUSIVE on the relation until the transaction is rolled back. LOCK knows
/// no TOAST table: an option for it takes that lock on its table and on itself.
///
/// Source: `src/backend/commands/tablecmds.c`, `ATExecSetRelOptions`.
fn lock(session: &Session, relation: &Relation) -> Result<String, Error> {
    let rows = session.query(TOAST_OWNER, &[&relation.quoted()])?;
    let Some(row) = rows.first() else {
        return Ok(format!("LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE", relation.quoted()));
    };
    let owner = Relation::new(get::<String>(row, 0)?, get::<String>(row, 1)?);
    Ok(format!("ALTER TABLE {} SET (toast.autovacuum_enabled = off)", owner.quoted()))
}

/// The table whose long values lie in a TOAST table.
const TOAST_OWNER: &str = "\
SELECT n.nspname::text, c.relname::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.reltoastrelid = pg_catalog.to_regclass($1)";

/// The postmaster writes its file before it notes its own start; a start takes seconds at most.
const START_SLACK_S: i64 = 5;

/// The server behind `session` runs on `data_dir`, which is on this machine, and verifies
/// checksums, without which nobody could tell a good page from a bad one.
fn check_server(
    session: &Session,
    data_dir: &Path,
    wrong: &dyn Fn(String) -> Error,
) -> Result<(), Error> {
    let show = |name: &str| -> Result<String, Error> {
        Ok(session.query_one("SELECT pg_catalog.current_setting($1)", &[&name])?)
    };
    let not_local = |why: String| Error::NotLocal { target: session.target().to_string(), why };
    let theirs = PathBuf::from(show("data_directory")?);
    let same = match (theirs.canonicalize(), data_dir.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    };
    if !same {
        let (theirs, ours) = (theirs.display(), data_dir.display());
        return Err(not_local(format!("its data directory is {theirs}, not {ours} here")));
    }
    let path = data_dir.join("postmaster.pid");
    let pid_file = fs::read_to_string(&path).map_err(|source| Error::File {
        path,
        what: "cannot be read",
        source,
    })?;
    if pid_file.lines().nth(3) != Some(show("port")?.as_str()) {
        return Err(not_local("another server runs in that directory here".to_owned()));
    }
    // A standby or a copy on this machine has the same layout and may have the same port.
    let started: i64 = session.query_one(
        "SELECT pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())::bigint",
        &[],
    )?;
    let here = pid_file.lines().nth(2).and_then(|line| line.trim().parse::<i64>().ok());
    if here.is_none_or(|here| (here - started).abs() > START_SLACK_S) {
        return Err(not_local("the server in that directory here started at another time".into()));
    }
    for (name, needed) in [
        ("data_checksums", "on"),
        ("ignore_checksum_failure", "off"),
        ("zero_damaged_pages", "off"),
    ] {
        let value = show(name)?;
        if value != needed {
            return Err(wrong(format!("{name} is {value}, it must be {needed}")));
        }
    }
    Ok(())
}

fn place(session: &Session, relation: &Relation, block: u32) -> Result<Place, Error> {
    let rows = session.query(PLACE, &[&relation.quoted()])?;
    let row = rows.first().ok_or_else(|| Error::NotInProduction { relation: relation.clone() })?;
    let wrong = |why: String| Error::Block { relation: relation.clone(), block, why };
    let kind: String = get(row, 6)?;
    if !matches!(kind.as_str(), "r" | "m" | "t") {
        let why = "it is no table; an index is made again with REINDEX".to_owned();
        return Err(wrong(why));
    }
    let block_bytes = get::<i64>(row, 3)?.cast_unsigned();
    let blocks = get::<i64>(row, 5)?.cast_unsigned() / block_bytes.max(1);
    if u64::from(block) >= blocks {
        return Err(wrong(format!("the table has {blocks} blocks only")));
    }
    Ok(Place {
        database: get(row, 0)?,
        relfilenode: get(row, 1)?,
        path: get(row, 2)?,
        block_bytes,
        blocks_per_file: get::<i64>(row, 4)?.cast_unsigned().max(1),
    })
}

impl Place {
    /// The segment that holds the block: `base/5/16384`, `base/5/16384.1`, ...
    fn file(&self, block: u32) -> String {
        match u64::from(block) / self.blocks_per_file {
            0 => self.path.clone(),
            n => format!("{}.{n}", self.path),
        }
    }

    fn offset(&self, block: u32) -> u64 {
        (u64::from(block) % self.blocks_per_file) * self.block_bytes
    }
}

/// All rows of one block, visible to us. A range of row positions reads this block only
/// (TID range scan, 14 on).
fn read_rows(
    session: &Session,
    relation: &Relation,
    block: u32,
) -> Result<Rows, pgward_pg::error::Error> {
    let next = u64::from(block) + 1;
    let end = if next > u64::from(u32::MAX) {
        String::new()
    } else {
        format!("AND t.ctid < '({next},0)'::pg_catalog.tid")
    };
    // A TOAST table has no type for a row of it as a whole.
    let row = match relation.schema.as_str() {
        "pg_toast" => "ROW(t.chunk_id, t.chunk_seq, t.chunk_data)",
        _ => "t",
    };
    let sql = format!(
        "SELECT t.ctid::text, pg_catalog.md5({row}::text) FROM ONLY {} t \
         WHERE t.ctid >= '({block},0)'::pg_catalog.tid {end} ORDER BY t.ctid",
        relation.quoted()
    );
    let rows = session.query(&sql, &[])?;
    rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
}

/// The page as of now: since production cannot read it, nobody has changed it after `now`.
/// The side either replays up to there, or, when it was promoted before, the WAL since then
/// must not mention the block.
fn bring_up_to(
    side: &SideServer,
    production: &Session,
    place: &Place,
    block: u32,
    now: Lsn,
    deadline: clock::Deadline,
    wrong: &dyn Fn(String) -> Error,
) -> Result<(), Error> {
    let flushed = backup::flush_wal(production, side.vault());
    if side.is_promoted()? {
        flushed?;
        let end = side.replayed()?;
        let source = side.wal().clone();
        let changes =
            wal::changes_of_block(&source, place.database, place.relfilenode, block, end)?;
        return match changes.first() {
            None => Ok(()),
            Some(lsn) => Err(wrong(format!(
                "changed at {lsn}, after the side server ended at {end}; start a new one"
            ))),
        };
    }
    // Without the archive the side may still read the server's own pg_wal.
    if let (Err(error), 1) = (flushed, side.wal().dirs.len()) {
        return Err(error.into());
    }
    side.wait_replayed(now, deadline.left())?;
    Ok(side.promote()?)
}

/// The bytes on the side's disk, after a checkpoint has written them and before anything
/// reads the block there, which could prune it.
fn side_page(
    side: &SideServer,
    there: &Session,
    relation: &Relation,
    place: &Place,
    block: u32,
    wrong: &dyn Fn(String) -> Error,
) -> Result<Vec<u8>, Error> {
    there.simple("CHECKPOINT")?;
    let path: Option<String> = there.query_one(
        "SELECT pg_catalog.pg_relation_filepath(pg_catalog.to_regclass($1))",
        &[&relation.quoted()],
    )?;
    if path.as_deref() != Some(place.path.as_str()) {
        let there = path.unwrap_or_else(|| "nowhere".to_owned());
        return Err(wrong(format!("it lies in {} here but {there} on the side", place.path)));
    }
    let file = side.server().data_dir().join(place.file(block));
    read_page(&file, place, block)
}

fn read_page(file: &Path, place: &Place, block: u32) -> Result<Vec<u8>, Error> {
    let mut page = vec![0; usize::try_from(place.block_bytes).unwrap_or(8192)];
    File::open(file)
        .and_then(|open| open.read_exact_at(&mut page, place.offset(block)))
        .map_err(|source| Error::File { path: file.to_owned(), what: "cannot be read", source })?;
    Ok(page)
}

fn keep_evidence(
    file: &Path,
    place: &Place,
    block: u32,
    relation: &Relation,
    page: &[u8],
    dir: &Path,
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let cannot = |path: &Path, source| Error::File {
        path: path.to_owned(),
        what: "evidence cannot be kept",
        source,
    };
    fs::create_dir_all(dir).map_err(|source| cannot(dir, source))?;
    let time = clock::now().strftime("%Y%m%dT%H%M%S%fZ").to_string();
    let stem = format!("{}.{}-block-{block}-{time}", relation.schema, relation.name)
        .replace(['/', '\0'], "_");
    let keep = |suffix: &str, bytes: &[u8]| {
        let path = dir.join(format!("{stem}.{suffix}"));
        fs::write(&path, bytes).map_err(|source| cannot(&path, source)).map(|()| path)
    };
    let damaged = keep("damaged", &read_page(file, place, block)?)?;
    keep("restored", page)?;
    notes.push(format!("the damaged page is kept in {}", damaged.display()));
    let bytes = fs::metadata(file).map_err(|source| cannot(file, source))?.len();
    if free_bytes(dir)? < bytes * ROOM_FACTOR {
        notes.push(format!("{} itself is not kept: too little room", file.display()));
        return Ok(());
    }
    let path = dir.join(format!("{stem}.file"));
    fs::copy(file, &path).map_err(|source| cannot(&path, source))?;
    Ok(())
}

/// Only these bytes, durable when it returns; owner and mode of the file stay.
fn write_page(file: &Path, offset: u64, page: &[u8]) -> Result<(), Error> {
    OpenOptions::new()
        .write(true)
        .open(file)
        .and_then(|open| {
            open.write_all_at(page, offset)?;
            open.sync_all()
        })
        .map_err(|source| Error::File { path: file.to_owned(), what: "cannot be written", source })
}

/// Clients may use the block the moment it reads again, so a difference is not a fault.
fn compare(side: &Rows, production: &Rows, report: &mut Report) {
    let changed = side.iter().filter(|row| !production.contains(row)).count();
    let added = production.iter().filter(|row| !side.contains(row)).count();
    if changed + added == 0 {
        report.notes.push(format!("all {} rows read, equal to the side server's", side.len()));
        return;
    }
    report.rows_kept_newer = changed as u64;
    report.notes.push(format!(
        "{changed} rows of the block were changed and {added} written by clients since it \
         reads again, or belong to transactions open at that moment"
    ));
}
