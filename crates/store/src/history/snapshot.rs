//! What there is of one series at a moment, to be read piece by piece.

use super::names::{self, SLOT_S, Span};
use super::{History, batch, parquet};
use crate::error::Error;
use crate::series::Series;
use arrow::array::RecordBatch;
use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;
use std::collections::BTreeMap;

/// A row may be older than the batch it came in: rows of a minute, a look that took long.
const LATE_S: i64 = 120;
/// Series whose rows may be older than that: they say when something began, and it may be found
/// long after.
const FOUND_LATE: [&str; 4] = ["ddl", "gaps", "log", "settings"];
/// Lists of files that are asked for until two agree; a hundred servers make a file every three
/// seconds.
const LISTS_MAX: usize = 10;
/// Rows of one series and five minutes that are read at once: 300 sessions at work take 100,000.
const SLOT_ROWS_MAX: usize = 2_000_000;

/// A file by its name, and its bytes.
type Named = (String, Path, u64);

/// Files of a series that count, and batches that are in none of them.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Oldest first.
    pub files: Vec<File>,
    pub recent: Vec<Slot>,
}

/// A Parquet file of one series and server.
#[derive(Debug, Clone)]
pub struct File {
    /// Place below the root.
    pub path: Path,
    pub bytes: u64,
    pub server: String,
    /// No row is older; `None` where that cannot be told from its name.
    pub from: Option<Timestamp>,
    /// No row is newer.
    pub to: Timestamp,
    span: Span,
}

/// Five minutes of one server that are not a file yet.
#[derive(Debug, Clone)]
pub struct Slot {
    pub server: String,
    /// Where its file will lie.
    folder: Path,
    span: Span,
    batches: Vec<Path>,
}

impl History {
    /// What there is of a series now, of all servers.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn snapshot(&self, series: &Series) -> Result<Snapshot, Error> {
        // Before the files, so that what becomes one in between is not missed.
        let mut recent = self.slots(series)?;
        let files = self.files(series)?;
        recent.retain(|slot| !files.iter().any(|file| slot.is_in(file)));
        Ok(Snapshot { files, recent })
    }

    /// Files of a series that count, oldest first.
    fn files(&self, series: &Series) -> Result<Vec<File>, Error> {
        let mut days: BTreeMap<(String, String), Vec<Named>> = BTreeMap::new();
        for (path, bytes) in self.listed(series)? {
            let parts: Vec<String> = path.parts().map(|p| p.as_ref().to_owned()).collect();
            if let [_, server, day, name] = parts.as_slice() {
                let key = (day.clone(), names::decoded(server));
                days.entry(key).or_default().push((name.clone(), path, bytes));
            }
        }
        let is_late = FOUND_LATE.contains(&series.id);
        let late = SignedDuration::from_secs(LATE_S);
        let mut found = Vec::new();
        for ((day, server), files) in days {
            let all: Vec<String> = files.iter().map(|(name, ..)| name.clone()).collect();
            for (span, counts) in names::counting(&all) {
                let file = files.iter().find(|(name, ..)| name == counts);
                let moments = names::moment(&day, span.from_s).zip(names::moment(&day, span.to_s));
                let (Some((_, path, bytes)), Some((from, to))) = (file, moments) else { continue };
                found.push(File {
                    path: path.clone(),
                    bytes: *bytes,
                    server: server.clone(),
                    from: from.checked_sub(late).ok().filter(|_| !is_late),
                    to: to.checked_add(late).unwrap_or(to),
                    span,
                });
            }
        }
        found.sort_by_key(|file| file.to);
        Ok(found)
    }

    /// All files of a series. Names are read before what they name: where an hour's file came
    /// and its parts went in between, none of them would be seen. So two lists must agree.
    fn listed(&self, series: &Series) -> Result<Vec<(Path, u64)>, Error> {
        let folder = Path::from(series.id);
        let mut listed = self.objects.all(&folder)?;
        for _ in 0..LISTS_MAX {
            let again = self.objects.all(&folder)?;
            if again == listed {
                break;
            }
            listed = again;
        }
        Ok(listed)
    }

    fn slots(&self, series: &Series) -> Result<Vec<Slot>, Error> {
        let mut slots = BTreeMap::new();
        let (servers, _) = self.objects.names(&Path::from(names::RECENT))?;
        for server in servers.iter().map(|s| names::decoded(s)) {
            let folder = Path::from_iter([names::RECENT, &server]);
            for day in self.objects.names(&folder)?.0 {
                let folder = names::folder(names::RECENT, &server, &day);
                for name in self.objects.names(&folder)?.1 {
                    let Some(second) = names::batch_second(&name) else { continue };
                    let span = Span::around(second, SLOT_S);
                    let slot = slots.entry((day.clone(), span, server.clone()));
                    let slot = slot.or_insert_with(|| Slot {
                        server: server.clone(),
                        folder: names::folder(series.id, &server, &day),
                        span,
                        batches: Vec::new(),
                    });
                    slot.batches.push(folder.clone().join(name.as_str()));
                }
            }
        }
        Ok(slots.into_values().collect())
    }

    /// The rows of a series in batches; `None` where they have become a file since.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Broken`], [`Error::Rows`], [`Error::TooManyRows`].
    pub fn rows_of(&self, series: &Series, slot: &Slot) -> Result<Option<Vec<RecordBatch>>, Error> {
        let mut lines = Vec::new();
        for object in &slot.batches {
            let Some(packed) = self.objects.get(object)? else { return Ok(None) };
            let unpacked = batch::unpacked(&packed, self.objects.file(object))?;
            batch::rows_of(&unpacked, series, &mut lines);
        }
        let path = self.objects.file(slot.batches.first().unwrap_or(&slot.folder));
        if lines.iter().filter(|b| **b == b'\n').count() > SLOT_ROWS_MAX {
            return Err(Error::TooManyRows { path, most: SLOT_ROWS_MAX });
        }
        parquet::read_rows(series, &slot.server, &lines, &path).map(Some)
    }

    /// The first of these files that is there and does not read, as the error it gives.
    pub fn damage(&self, files: &[File]) -> Option<Error> {
        files.iter().find_map(|file| {
            let path = self.objects.file(&file.path);
            match self.objects.get(&file.path) {
                Ok(Some(bytes)) => parquet::parsed(bytes, &path).err(),
                Ok(None) => None,
                Err(error) => Some(error),
            }
        })
    }
}

impl Slot {
    fn is_in(&self, file: &File) -> bool {
        file.path.prefix_matches(&self.folder)
            && (file.span == self.span || file.span.covers(self.span))
    }
}
