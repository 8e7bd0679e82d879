//! Series: what is kept of each sample. One file each; the file's name is the table's in SQL.

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) mod database;
pub(crate) mod ddl;
pub(crate) mod gaps;
pub(crate) mod host;
pub(crate) mod locks;
pub(crate) mod log;
pub(crate) mod log_classes;
pub(crate) mod network;
pub(crate) mod parts;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod statements;
pub(crate) mod tables;
pub(crate) mod texts;
pub(crate) mod ticks;
pub(crate) mod waits;
pub(crate) mod wal;

/// One series: rows of one shape, and a table in SQL.
#[derive(Debug)]
pub struct Series {
    /// File name.
    pub id: &'static str,
    /// What a row is, for people.
    pub about: &'static str,
    /// Beside `server`, which every series begins with.
    pub columns: &'static [Column],
    /// Columns by which rows lie in a file, so that what is alike lies together.
    pub(crate) order: &'static [&'static str],
    /// Makes rows of a minute out of rows of some seconds.
    pub(crate) fold: Option<Fold>,
    /// Appends what a sample says.
    pub(crate) take: fn(&mut Seen, &Sample, &mut Rows),
}

/// From JSON lines to fewer.
pub(crate) type Fold = fn(&[u8]) -> Result<Vec<u8>, serde_json::Error>;

/// A column of a series.
#[derive(Debug)]
pub struct Column {
    pub name: &'static str,
    pub holds: Holds,
    pub about: &'static str,
}

/// What a column holds; all but `at` may be NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// A moment, UTC, to the millisecond.
    Moment,
    Text,
    Whole,
    /// A duration in milliseconds with three decimals: exact to the microsecond, and as whole
    /// numbers a third of the bytes of floating point.
    Millis,
    Float,
    Yes,
    /// A list of whole numbers.
    Wholes,
}

/// All series.
pub static SERIES: &[&Series] = &[
    &database::SERIES,
    &ddl::SERIES,
    &gaps::SERIES,
    &host::SERIES,
    &locks::SERIES,
    &log::SERIES,
    &log_classes::SERIES,
    &network::SERIES,
    &parts::SERIES,
    &sessions::SERIES,
    &settings::SERIES,
    &statements::SERIES,
    &tables::SERIES,
    &texts::SERIES,
    &ticks::SERIES,
    &waits::SERIES,
    &wal::SERIES,
];

/// The series of that id.
pub fn series(id: &str) -> Option<&'static Series> {
    SERIES.iter().copied().find(|s| s.id == id)
}

impl Series {
    /// The columns as Parquet and SQL know them, `server` first.
    pub fn schema(&self) -> Arc<Schema> {
        let server = Field::new("server", DataType::Utf8, false);
        let own = self.columns.iter().map(Column::field);
        Arc::new(Schema::new(std::iter::once(server).chain(own).collect::<Vec<_>>()))
    }

    /// The columns of a row as it is noted, without `server`.
    pub(crate) fn row_schema(&self) -> Arc<Schema> {
        Arc::new(Schema::new(self.columns.iter().map(Column::field).collect::<Vec<_>>()))
    }
}

impl Column {
    fn field(&self) -> Field {
        let holds = match self.holds {
            Holds::Moment => DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into())),
            Holds::Text => DataType::Utf8,
            Holds::Whole => DataType::Int64,
            Holds::Millis => DataType::Decimal128(18, 3),
            Holds::Float => DataType::Float64,
            Holds::Yes => DataType::Boolean,
            Holds::Wholes => DataType::new_list(DataType::Int64, true),
        };
        Field::new(self.name, holds, self.name != "at")
    }
}

/// A column in one line.
pub(crate) const fn column(name: &'static str, holds: Holds, about: &'static str) -> Column {
    Column { name, holds, about }
}

/// What was seen before, by which counters become differences.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) database: database::Before,
    pub(crate) gaps: gaps::Before,
    pub(crate) host: Every,
    pub(crate) log_classes: log_classes::Before,
    pub(crate) parts: parts::Before,
    pub(crate) sessions: sessions::Before,
    pub(crate) statements: statements::Before,
    pub(crate) tables: tables::Before,
    pub(crate) texts: texts::Before,
    pub(crate) waits: waits::Before,
    pub(crate) wal: Every,
}

/// Rows noted and not yet written: JSON lines `{"SERIES":{...}}`.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) lines: Vec<u8>,
}

impl Rows {
    pub(crate) fn push(&mut self, series: &Series, row: &impl Serialize) {
        let before = self.lines.len();
        self.lines.extend_from_slice(b"{\"");
        self.lines.extend_from_slice(series.id.as_bytes());
        self.lines.extend_from_slice(b"\":");
        if serde_json::to_writer(&mut self.lines, row).is_err() {
            self.lines.truncate(before); // no row of ours: they are plain data
            return;
        }
        self.lines.extend_from_slice(b"}\n");
    }
}

/// Seconds that a row of counters covers, until older ones are folded to minutes.
const EVERY_S: i64 = 10;

/// Tells when ten seconds are over.
#[derive(Debug, Default)]
pub(crate) struct Every {
    began: Option<Timestamp>,
}

impl Every {
    /// The first moment, and the first of every ten seconds by the clock: when the time that
    /// ends with it began.
    pub(crate) fn over(&mut self, at: Timestamp) -> Option<Timestamp> {
        let slot = |t: Timestamp| t.as_second().div_euclid(EVERY_S);
        let began = self.began.unwrap_or(at);
        if self.began.is_some() && slot(began) == slot(at) {
            return None;
        }
        self.began = Some(at);
        Some(began)
    }
}

/// To the microsecond.
pub(crate) fn millis(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}

/// Folds JSON lines of `R` to one row a minute and key: `add` adds the second to the first.
pub(crate) fn fold_minutes<R, K>(
    lines: &[u8],
    at: fn(&mut R) -> &mut Timestamp,
    key: fn(&R) -> K,
    add: fn(&mut R, R),
) -> Result<Vec<u8>, serde_json::Error>
where
    R: Serialize + DeserializeOwned,
    K: Ord,
{
    let mut folded: BTreeMap<(Timestamp, K), R> = BTreeMap::new();
    for line in lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let mut row: R = serde_json::from_slice(line)?;
        let began = at(&mut row);
        let second = began.as_second();
        *began = Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(*began);
        let minute = *began;
        match folded.entry((minute, key(&row))) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(row);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => add(entry.get_mut(), row),
        }
    }
    let mut lines = Vec::new();
    for row in folded.values() {
        serde_json::to_writer(&mut lines, row)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_registered_under_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/series");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        assert_eq!(files, SERIES.iter().map(|s| s.id).collect::<Vec<_>>());
    }

    #[test]
    fn every_series_begins_with_its_moment_and_is_ordered_by_columns_it_has() {
        for series in SERIES {
            assert_eq!(series.columns[0].name, "at", "{}", series.id);
            for name in series.order {
                assert!(series.columns.iter().any(|c| c.name == *name), "{}: {name}", series.id);
            }
        }
    }

    #[test]
    fn ten_seconds_are_those_of_the_clock() {
        let at = |s: i64| Timestamp::from_second(1_795_219_200 + s).unwrap();
        let mut every = Every::default();
        assert_eq!(every.over(at(3)), Some(at(3)));
        assert_eq!(every.over(at(9)), None);
        assert_eq!(every.over(at(11)), Some(at(3)));
        assert_eq!(every.over(at(19)), None);
        assert_eq!(every.over(at(47)), Some(at(11)));
    }
}
