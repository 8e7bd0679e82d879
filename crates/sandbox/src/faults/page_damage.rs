//! Damages a page of a table on disk, as a failing disk does: nobody notices until it is read.

use super::{BlockTruth, Fault, FaultCx, Kind, Param, Params, Running, Truth, number, open, text};
use crate::error::Error;
use crate::heap_page::{Column, Fact, RowVersion, row_versions};
use pgward_model::name::Relation;
use pgward_pg::prelude::*;
use pgward_pg::session::get;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

pub(super) static FAULT: Fault = Fault {
    id: "page_damage",
    title: "bytes of a table's page are overwritten on disk",
    params: &[
        Param {
            name: "relation",
            default: None,
            kind: Kind::Text,
            doc: "the table, with or without schema",
        },
        Param {
            name: "where",
            default: Some("cold"),
            kind: Kind::OneOf(&["cold", "any"]),
            doc: "cold: in the older half of the table; any: anywhere not in memory",
        },
        Param {
            name: "n_blocks",
            default: Some("1"),
            kind: Kind::Whole(1, N_BLOCKS_MAX),
            doc: "how many blocks, at most 100",
        },
    ],
    start,
};

/// Bytes overwritten; a sector would be 512, one is enough for the checksum.
const DAMAGE_BYTES: usize = 64;

/// Candidates looked at per block: the load may read one just when it is chosen.
const TRIES: u32 = 50;

const N_BLOCKS_MAX: u32 = 100;

struct PageDamage {
    blocks: Vec<BlockTruth>,
}

fn start(cx: &FaultCx<'_>, params: &Params) -> Result<Box<dyn Running>, Error> {
    let session = open(cx)?;
    let n_blocks: u32 = number(FAULT.id, params, "n_blocks")?;
    let table = Table::read(cx, &session, text(params, "relation"))?;
    let range = match text(params, "where") {
        "cold" => 0..table.n_blocks.div_ceil(2),
        "any" => 0..table.n_blocks,
        other => return Err(refused(format!("where={other}: cold or any"))),
    };
    if range.is_empty() {
        return Err(refused(format!("{} is empty", table.relation)));
    }
    // In the database postgres, so that the sandbox's own catalog stays as it was made.
    let buffers = Session::connect(&cx.server.with_database("postgres"), Purpose::Private)?;
    buffers.simple("CREATE EXTENSION IF NOT EXISTS pg_buffercache")?;
    session.simple("CHECKPOINT")?;
    let mut rng = SmallRng::seed_from_u64(cx.seed);
    let mut blocks: Vec<BlockTruth> = Vec::new();
    let mut tries = 0;
    while (blocks.len() as u32) < n_blocks {
        tries += 1;
        if tries > TRIES * n_blocks {
            let why = format!("{}: no block with rows is out of memory", table.relation);
            return Err(refused(format!(
                "{why}; make the table larger than shared_buffers, or set those lower"
            )));
        }
        let block = rng.random_range(range.clone());
        if blocks.iter().any(|b| b.block == block) || table.in_memory(&buffers, block)? {
            continue;
        }
        if let Some(keys) = damage(&table, &session, &buffers, block)? {
            blocks.push(BlockTruth { relation: table.relation.clone(), block, keys });
        }
    }
    Ok(Box::new(PageDamage { blocks }))
}

fn refused(why: String) -> Error {
    Error::Fault { fault: FAULT.id, why }
}

/// Damages one block and returns the keys of its rows; `None`: not this one.
fn damage(
    table: &Table,
    session: &Session,
    buffers: &Session,
    block: u32,
) -> Result<Option<Vec<String>>, Error> {
    let (file, path, at) = table.file(block)?;
    let failed = |what| {
        let path = path.clone();
        move |source| Error::FaultFile { fault: FAULT.id, path, what, source }
    };
    let mut page = vec![0_u8; table.block_bytes];
    file.read_exact_at(&mut page, at).map_err(failed("cannot be read"))?;
    let keys = keys_of(session, &page, &table.columns, block)?;
    if keys.is_empty() {
        return Ok(None);
    }
    let middle = table.block_bytes / 2;
    let whole = page.get(middle..middle + DAMAGE_BYTES).unwrap_or(&[]).to_vec();
    let spoilt: Vec<u8> = whole.iter().map(|byte| !byte).collect();
    let place = at + middle as u64;
    file.write_all_at(&spoilt, place).map_err(failed("cannot be written"))?;
    file.sync_all().map_err(failed("cannot be synced"))?;
    if table.in_memory(buffers, block)? {
        // Somebody read it just before: memory holds it whole, so leave it whole.
        file.write_all_at(&whole, place).map_err(failed("cannot be written"))?;
        return Ok(None);
    }
    let mut there = vec![0_u8; DAMAGE_BYTES];
    file.read_exact_at(&mut there, place).map_err(failed("cannot be read"))?;
    if there != spoilt {
        return Err(refused(format!("{}: the server wrote over the damage", path.display())));
    }
    Ok(Some(keys))
}

impl Running for PageDamage {
    fn truth(&self) -> Truth {
        let list: Vec<String> = self
            .blocks
            .iter()
            .map(|b| format!("block {} of {} with {} rows", b.block, b.relation, b.keys.len()))
            .collect();
        Truth {
            says: format!("damaged on disk: {}", list.join(", ")),
            n_done: self.blocks.len() as u64,
            blocks: self.blocks.clone(),
        }
    }

    /// Damage does not heal by itself.
    fn stop(&mut self) {}
}

/// The table as files and columns.
struct Table {
    relation: Relation,
    path: PathBuf,
    filenode: u32,
    database: u32,
    n_blocks: u32,
    block_bytes: usize,
    segment_blocks: u32,
    /// From the first to the key.
    columns: Vec<Column>,
}

const TABLE: &str = "\
SELECT n.nspname::text,
       c.relname::text,
       pg_catalog.pg_relation_filepath(c.oid),
       pg_catalog.pg_relation_filenode(c.oid),
       d.oid,
       pg_catalog.pg_relation_size(c.oid),
       pg_catalog.current_setting('block_size')::int,
       pg_catalog.current_setting('data_checksums'),
       pg_catalog.current_setting('data_directory'),
       c.oid
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_am a ON a.oid = c.relam AND a.amname = 'heap'
JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
WHERE c.oid = pg_catalog.to_regclass($1::text)
  AND c.relkind IN ('r', 'm')";

// The first column of the primary key, or of the table where there is none.
const COLUMNS: &str = "\
SELECT a.attlen,
       a.attalign::text,
       coalesce(t.typname::text, '')
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = $1
  AND a.attnum BETWEEN 1 AND coalesce(
      (SELECT i.indkey[0] FROM pg_catalog.pg_index i WHERE i.indrelid = $1 AND i.indisprimary), 1)
ORDER BY a.attnum";

impl Table {
    fn read(cx: &FaultCx<'_>, session: &Session, name: &str) -> Result<Table, Error> {
        let rows = session.query(TABLE, &[&name])?;
        let Some(row) = rows.first() else {
            return Err(refused(format!("relation={name}: there is no such table on disk")));
        };
        let checksums: String = get(row, 7)?;
        if checksums != "on" {
            return Err(refused("the server has no page checksums, nobody could notice".into()));
        }
        let directory: String = get(row, 8)?;
        let same = |dir: PathBuf| dir.canonicalize().ok();
        if same(PathBuf::from(&directory)) != same(cx.data_dir.to_owned()) {
            let here = cx.data_dir.display();
            return Err(refused(format!("the server's data directory is {directory}, not {here}")));
        }
        let path: String = get(row, 2)?;
        let bytes: i64 = get(row, 5)?;
        let block_bytes: i32 = get(row, 6)?;
        let oid: u32 = get(row, 9)?;
        let columns = session.query(COLUMNS, &[&oid])?;
        Ok(Table {
            relation: Relation::new(get::<String>(row, 0)?, get::<String>(row, 1)?),
            path: cx.data_dir.join(path),
            filenode: get(row, 3)?,
            database: get(row, 4)?,
            n_blocks: u32::try_from(bytes / i64::from(block_bytes)).unwrap_or(u32::MAX),
            block_bytes: usize::try_from(block_bytes).unwrap_or(8192),
            segment_blocks: u32::try_from((1 << 30) / block_bytes).unwrap_or(131_072),
            columns: columns.iter().map(column).collect::<Result<_, _>>()?,
        })
    }

    /// The file of 1 GB that holds the block, and where it begins there.
    fn file(&self, block: u32) -> Result<(File, PathBuf, u64), Error> {
        let path = match block / self.segment_blocks {
            0 => self.path.clone(),
            n => PathBuf::from(format!("{}.{n}", self.path.display())),
        };
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(|source| {
            let what = "cannot be opened";
            Error::FaultFile { fault: FAULT.id, path: path.clone(), what, source }
        })?;
        let at = u64::from(block % self.segment_blocks) * self.block_bytes as u64;
        Ok((file, path, at))
    }

    fn in_memory(&self, buffers: &Session, block: u32) -> Result<bool, Error> {
        let sql = "\
            SELECT EXISTS (
                SELECT FROM pg_buffercache
                WHERE relfilenode = $1
                  AND reldatabase = $2
                  AND relforknumber = 0
                  AND relblocknumber = $3)";
        let block = i64::from(block);
        Ok(buffers.query_one(sql, &[&self.filenode, &self.database, &block])?)
    }
}

fn column(row: &Row) -> Result<Column, Error> {
    let align: String = get(row, 1)?;
    let align = match align.as_str() {
        "c" => 1,
        "s" => 2,
        "d" => 8,
        _ => 4,
    };
    Ok(Column { len: get(row, 0)?, align, type_name: get(row, 2)? })
}

/// Keys of the rows of a page that everybody sees; their ctid where the key cannot be read.
fn keys_of(
    session: &Session,
    page: &[u8],
    columns: &[Column],
    block: u32,
) -> Result<Vec<String>, Error> {
    let mut known = HashMap::new();
    let mut yes = |fact, xid| match fact {
        Fact::Yes => Ok(true),
        Fact::No => Ok(false),
        Fact::Ask => committed(session, xid, &mut known),
    };
    let mut keys = Vec::new();
    for RowVersion { offset, xmin, xmax, born, died, key } in row_versions(page, columns) {
        if yes(born, xmin)? && !yes(died, xmax)? {
            keys.push(key.unwrap_or_else(|| format!("({block},{offset})")));
        }
    }
    Ok(keys)
}

/// Did that transaction commit? One too old to be known did, or its rows would be gone.
fn committed(session: &Session, xid: u32, known: &mut HashMap<u32, bool>) -> Result<bool, Error> {
    if let Some(answer) = known.get(&xid) {
        return Ok(*answer);
    }
    // A 32-bit id belongs to the 2^32 ids before the next one.
    let sql = "\
        WITH next AS (
            SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::numeric x)
        SELECT coalesce(pg_catalog.pg_xact_status(
            (x - mod(x - $1::bigint + 4294967296, 4294967296))::text::xid8), 'committed')
        FROM next";
    let status: String = session.query_one(sql, &[&i64::from(xid)])?;
    let answer = status == "committed";
    known.insert(xid, answer);
    Ok(answer)
}
