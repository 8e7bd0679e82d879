//! The ledger: every acknowledged write, kept outside the database, to prove what was lost.
//!
//! "Nothing lost" is a set difference, not a feeling. A client writes its line before it sends
//! its next request, so the file holds whatever anybody was told is safe. The line reaches the
//! kernel, not the platter: it must survive the database and pgward, not the machine.

use crate::error::Error;
use jiff::Timestamp;
use pgward_model::name::{Relation, quote_ident};
use pgward_pg::prelude::*;
use pgward_pg::session::get;
use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Mutex;

/// Which column of which relation proves a write: `accounts(id,stamp)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LedgerSpec {
    pub relation: Relation,
    /// Identifies the row: integer or text.
    pub key: String,
    /// A `bigint` that each write of a key makes larger.
    pub stamp: String,
}

/// `relation(key,stamp)`, the relation with or without schema.
impl FromStr for LedgerSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let word = |t: &str| {
            let t = t.trim();
            (!t.is_empty() && !t.contains(['(', ')', ',', '\t', '\n'])).then(|| t.to_owned())
        };
        let parts = || {
            let (relation, columns) = text.trim().strip_suffix(')')?.split_once('(')?;
            let (key, stamp) = columns.split_once(',')?;
            let (schema, name) = relation.split_once('.').unwrap_or(("", relation));
            let schema = if schema.is_empty() { String::new() } else { word(schema)? };
            Some((Relation::new(schema, word(name)?), word(key)?, word(stamp)?))
        };
        let (relation, key, stamp) =
            parts().ok_or_else(|| Error::LedgerSpec { text: text.to_owned() })?;
        Ok(LedgerSpec { relation, key, stamp })
    }
}

/// The file; one line per acknowledged write: relation, key column, stamp column, key, stamp,
/// time of the acknowledgement, separated by tabs.
pub struct Ledger {
    path: PathBuf,
    file: Mutex<File>,
}

/// What became of the acknowledged writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerCheck {
    /// Acknowledged writes in the ledger.
    pub n_acknowledged: u64,
    /// Different rows they wrote.
    pub n_keys: u64,
    /// Rows whose last acknowledged write is not there.
    pub n_lost: u64,
    /// The first of them, as `relation key`, at most [`LISTED_MAX`].
    pub lost: Vec<String>,
    /// Rows that are there more than once.
    pub n_duplicates: u64,
    pub duplicates: Vec<String>,
}

/// Keys named in a check; nobody reads more, and the totals are exact.
pub const LISTED_MAX: usize = 100;

/// Keys compared per query: some megabytes of parameters, one pass over the table.
const PORTION_KEYS: usize = 100_000;

impl Ledger {
    /// Opens the file, or makes it; lines are added at its end.
    ///
    /// # Errors
    /// [`Error::Ledger`] naming the path.
    pub fn open(path: &Path) -> Result<Ledger, Error> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|source| Error::Ledger { path: path.to_owned(), source })?;
        Ok(Ledger { path: path.to_owned(), file: Mutex::new(file) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes a write that was acknowledged; on return the line is in the file.
    ///
    /// # Errors
    /// [`Error::Ledger`]: the load must stop, since nothing could be proved any more.
    pub fn acknowledge(
        &self,
        spec: &LedgerSpec,
        key: &str,
        stamp: i64,
        at: Timestamp,
    ) -> Result<(), Error> {
        let line = format!(
            "{}\t{}\t{}\t{}\t{stamp}\t{at}\n",
            escape(&spec.relation.quoted()),
            escape(&spec.key),
            escape(&spec.stamp),
            escape(key),
        );
        let mut file = self.file.lock().unwrap_or_else(|e| e.into_inner());
        // One write(2) per line: no buffer of ours may hold what a client was told.
        file.write_all(line.as_bytes())
            .map_err(|source| Error::Ledger { path: self.path.clone(), source })
    }

    /// The last acknowledged stamp of each key, and how many writes there were.
    ///
    /// # Errors
    /// [`Error::Ledger`], [`Error::LedgerLine`].
    pub fn read(&self) -> Result<LedgerContent, Error> {
        let io = |source| Error::Ledger { path: self.path.clone(), source };
        let mut reader = BufReader::new(File::open(&self.path).map_err(io)?);
        let mut content = LedgerContent::default();
        let mut line = String::new();
        for number in 1.. {
            line.clear();
            // A line without its end was cut by the death of its writer: never acknowledged.
            if reader.read_line(&mut line).map_err(io)? == 0 || !line.ends_with('\n') {
                break;
            }
            let (written, key, stamp) = parse_line(line.trim_end_matches('\n'))
                .ok_or_else(|| Error::LedgerLine { path: self.path.clone(), number })?;
            let last = content.last.entry(written).or_default().entry(key).or_insert(stamp);
            *last = stamp.max(*last);
            content.n_acknowledged += 1;
        }
        Ok(content)
    }
}

/// A ledger read back.
#[derive(Debug, Default)]
pub struct LedgerContent {
    pub n_acknowledged: u64,
    /// Per relation, per key, the last acknowledged stamp.
    pub last: BTreeMap<Written, HashMap<String, i64>>,
}

/// Relation and columns of a ledger line, the relation quoted for SQL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Written {
    pub relation: String,
    pub key: String,
    pub stamp: String,
}

fn parse_line(line: &str) -> Option<(Written, String, i64)> {
    let mut parts = line.split('\t');
    let mut text = || parts.next().map(unescape);
    let written = Written { relation: text()?, key: text()?, stamp: text()? };
    let key = text()?;
    let stamp = text()?.parse().ok()?;
    Some((written, key, stamp))
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            (_, Some('t')) => out.push('\t'),
            (_, Some('n')) => out.push('\n'),
            (_, Some(other)) => out.push(other),
            (c, None) => out.push(c),
        }
    }
    out
}

/// Compares the ledger with what the database holds.
///
/// A row is lost when it is missing or its stamp is smaller than the last one acknowledged. A
/// larger stamp is fine: a write that committed while its client was cut off. Tables are read
/// from the heap, not through an index, which could hide what is not there.
///
/// # Errors
/// [`Error::Ledger`], [`Error::LedgerLine`], [`Error::Pg`].
pub fn verify(ledger: &Ledger, target: &Target) -> Result<LedgerCheck, Error> {
    let content = ledger.read()?;
    let session = Session::connect(target, Purpose::Private)?;
    session.simple("SET enable_indexscan = off; SET enable_indexonlyscan = off")?;
    session.simple("SET enable_bitmapscan = off")?;
    let mut check =
        LedgerCheck { n_acknowledged: content.n_acknowledged, ..LedgerCheck::default() };
    for (written, last) in &content.last {
        check.n_keys += last.len() as u64;
        let mut keys: Vec<(&String, i64)> = last.iter().map(|(k, s)| (k, *s)).collect();
        keys.sort();
        for portion in keys.chunks(PORTION_KEYS) {
            compare(&session, written, portion, &mut check)?;
        }
    }
    Ok(check)
}

fn compare(
    session: &Session,
    written: &Written,
    portion: &[(&String, i64)],
    check: &mut LedgerCheck,
) -> Result<(), Error> {
    let found = rows_of(session, written, portion)?;
    for (key, stamp) in portion {
        let name = || format!("{} {key}", written.relation);
        let (newest, n_rows) = found.get(*key).copied().unwrap_or((None, 0));
        if newest.is_none_or(|newest| newest < *stamp) {
            check.n_lost += 1;
            if check.lost.len() < LISTED_MAX {
                check.lost.push(name());
            }
        }
        if n_rows > 1 {
            check.n_duplicates += 1;
            if check.duplicates.len() < LISTED_MAX {
                check.duplicates.push(name());
            }
        }
    }
    Ok(())
}

const KEY_TYPE: &str = "\
SELECT pg_catalog.format_type(a.atttypid, a.atttypmod)
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = pg_catalog.to_regclass($1::text)
  AND a.attname = $2::text
  AND NOT a.attisdropped";

/// Newest stamp and number of rows of each key that is there.
fn rows_of(
    session: &Session,
    written: &Written,
    portion: &[(&String, i64)],
) -> Result<HashMap<String, (Option<i64>, i64)>, Error> {
    let types = session.query(KEY_TYPE, &[&written.relation, &written.key])?;
    // No such relation or column: every write to it is lost.
    let Some(row) = types.first() else { return Ok(HashMap::new()) };
    let key_type: String = get(row, 0)?;
    let (key, stamp) = (quote_ident(&written.key), quote_ident(&written.stamp));
    let sql = format!(
        "SELECT t.{key}::text, pg_catalog.max(t.{stamp})::bigint, pg_catalog.count(*) \
         FROM {} t WHERE t.{key} IN (SELECT k::{key_type} FROM pg_catalog.unnest($1::text[]) k) \
         GROUP BY 1",
        written.relation,
    );
    let keys: Vec<&str> = portion.iter().map(|(k, _)| k.as_str()).collect();
    let rows = session.query(&sql, &[&keys])?;
    rows.iter().map(|r| Ok((get(r, 0)?, (get(r, 1)?, get(r, 2)?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> LedgerSpec {
        "accounts(id, stamp)".parse().unwrap()
    }

    #[test]
    fn a_spec_is_read() {
        assert_eq!(spec().relation, Relation::new("", "accounts"));
        assert_eq!((spec().key.as_str(), spec().stamp.as_str()), ("id", "stamp"));
        let with_schema: LedgerSpec = "shop.orders(no,at)".parse().unwrap();
        assert_eq!(with_schema.relation, Relation::new("shop", "orders"));
        for bad in ["accounts", "accounts(id)", "(id,stamp)", "a(id,stamp", ".a(,b)"] {
            assert!(bad.parse::<LedgerSpec>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_last_stamp_of_a_key_counts() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&dir.path().join("ledger")).unwrap();
        let at = Timestamp::UNIX_EPOCH;
        for (key, stamp) in [("1", 10), ("a\tb\\n", 11), ("1", 12)] {
            ledger.acknowledge(&spec(), key, stamp, at).unwrap();
        }
        ledger.file.lock().unwrap().write_all(b"accounts\tid\tst").unwrap();
        let content = ledger.read().unwrap();
        assert_eq!(content.n_acknowledged, 3);
        let last = content.last.values().next().unwrap();
        assert_eq!((last["1"], last["a\tb\\n"]), (12, 11));
    }

    #[test]
    fn a_ledger_that_cannot_be_written_is_an_error() {
        let ledger = Ledger::open(Path::new("/dev/full")).unwrap();
        let error = ledger.acknowledge(&spec(), "1", 1, Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(error.to_string().contains("/dev/full"), "{error}");
    }
}
