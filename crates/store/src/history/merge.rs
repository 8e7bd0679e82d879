//! Files out of batches, and larger files out of small ones.

use super::names::{self, HOUR_S, SLOT_S, Span};
use super::writer::Writer;
use super::{batch, parquet};
use crate::error::Error;
use crate::series::{SERIES, Series};
use arrow::array::RecordBatch;
use jiff::Timestamp;
use object_store::path::Path;
use pgward_model::prelude::*;
use std::collections::BTreeMap;

/// Another process may still be writing the last batch of a time that is over.
const GRACE_S: f64 = 30.0;

impl Writer {
    /// Makes files of the batches whose five minutes are over. What does not read stays where
    /// it is and keeps nothing else from becoming a file.
    pub(super) fn settle(&self, now: Timestamp) -> Result<(), Error> {
        let mut failed = Ok(());
        let folder = Path::from_iter([names::RECENT, &self.server]);
        let (days, _) = self.history.objects.names(&folder)?;
        for day in &days {
            let (_, batches) = self.history.objects.names(&folder.clone().join(day.as_str()))?;
            let mut slots: BTreeMap<Span, Vec<Path>> = BTreeMap::new();
            for name in &batches {
                let Some(second) = names::batch_second(name) else { continue };
                let object = folder.clone().join(day.as_str()).join(name.as_str());
                slots.entry(Span::around(second, SLOT_S)).or_default().push(object);
            }
            for (span, batches) in slots.iter().filter(|(s, _)| is_over(day, **s, GRACE_S, now)) {
                failed = failed.and(self.settle_slot(day, *span, batches));
            }
        }
        failed
    }

    /// Batches go once every series has its file: who finds only some of them, because another
    /// process deletes them right now, finds all the files.
    fn settle_slot(&self, day: &str, span: Span, batches: &[Path]) -> Result<(), Error> {
        let mut packed = Vec::with_capacity(batches.len());
        for object in batches {
            match self.history.objects.get(object)? {
                Some(bytes) => packed.push((object, bytes)),
                None => return Ok(()), // another process is at it
            }
        }
        for series in SERIES {
            let mut rows = Vec::new();
            for (object, bytes) in &packed {
                let lines = batch::unpacked(bytes, self.history.objects.file(object))?;
                batch::rows_of(&lines, series, &mut rows);
            }
            if !rows.is_empty() {
                let object = names::folder(series.id, &self.server, day).join(span.name());
                let path = self.history.objects.file(&object);
                let rows = parquet::read_rows(series, &self.server, &rows, &path)?;
                let bytes = parquet::written(series, &rows, &path)?;
                self.history.objects.put_new(&object, bytes)?;
            }
        }
        batches.iter().try_for_each(|object| self.history.objects.delete(object))
    }

    /// Makes one file of the files of an hour that is over.
    pub(super) fn merge_hours(&self, now: Timestamp) -> Result<(), Error> {
        for series in SERIES {
            let folder = Path::from_iter([series.id, &self.server]);
            let (days, _) = self.history.objects.names(&folder)?;
            // What is older was merged, or there was nobody to write it.
            for day in days.iter().rev().take(2) {
                let folder = folder.clone().join(day.as_str());
                let (_, files) = self.history.objects.names(&folder)?;
                self.merge_day(series, day, &folder, &files, now)?;
            }
        }
        Ok(())
    }

    fn merge_day(
        &self,
        series: &Series,
        day: &str,
        folder: &Path,
        files: &[String],
        now: Timestamp,
    ) -> Result<(), Error> {
        let counting = names::counting(files);
        let is_waste = |name: &&String| !counting.iter().any(|(_, n)| n == name);
        for waste in files.iter().filter(|n| Span::of(n).is_some()).filter(is_waste) {
            self.history.objects.delete(&folder.clone().join(waste.as_str()))?;
        }
        let mut hours: BTreeMap<Span, Vec<&str>> = BTreeMap::new();
        for (span, name) in counting.iter().filter(|(s, _)| s.to_s - s.from_s < HOUR_S) {
            hours.entry(Span::around(span.from_s, HOUR_S)).or_default().push(name);
        }
        // The last five minutes become a file of their own first.
        let late_s = SLOT_S as f64 + 2.0 * GRACE_S;
        for (hour, names) in hours.iter().filter(|(h, _)| is_over(day, **h, late_s, now)) {
            let files: Vec<Path> = names.iter().map(|n| folder.clone().join(*n)).collect();
            self.merge(series, &folder.clone().join(hour.name()), &files)?;
        }
        Ok(())
    }

    fn merge(&self, series: &Series, into: &Path, files: &[Path]) -> Result<(), Error> {
        let mut rows = Vec::new();
        for object in files {
            let path = self.history.objects.file(object);
            let Some(bytes) = self.history.objects.get(object)? else {
                return Ok(()); // another process is at it
            };
            rows.extend(self.folded(series, parquet::parsed(bytes, &path)?, &path)?);
        }
        let bytes = parquet::written(series, &rows, &self.history.objects.file(into))?;
        self.history.objects.put_new(into, bytes)?;
        files.iter().try_for_each(|object| self.history.objects.delete(object))
    }

    /// Rows of a minute where the series has such; a file holds whole minutes.
    fn folded(
        &self,
        series: &Series,
        rows: Vec<RecordBatch>,
        path: &std::path::Path,
    ) -> Result<Vec<RecordBatch>, Error> {
        let Some(fold) = series.fold else { return Ok(rows) };
        let lines = fold(&parquet::lines_of(&rows, path)?).map_err(|source| Error::Malformed {
            path: path.to_owned(),
            line: source.line(),
            source,
        })?;
        parquet::read_rows(series, &self.server, &lines, path)
    }
}

/// Is a part of a day over since `late_s`?
fn is_over(day: &str, span: Span, late_s: f64, now: Timestamp) -> bool {
    names::moment(day, span.to_s).is_some_and(|end| seconds_between(end, now) >= late_s)
}
