//! Reads rows back.

use super::names::{self, SLOT_S, Span};
use super::{History, batch, parquet};
use crate::error::Error;
use crate::series::{Series, ticks};
use arrow::array::RecordBatch;
use jiff::Timestamp;
use object_store::path::Path;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A row may be older than the batch it came in: lines of the log, rows of a minute.
const LATE_S: i64 = 120;
/// Readers who meet a file that was just merged look again.
const TRIES_MAX: u32 = 3;
/// Rows of one series that one call reads: an hour of 300 sessions at work.
const ROWS_MAX: usize = 1_000_000;

impl History {
    /// Servers of which there is history, by the name they have in events.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn servers(&self) -> Result<Vec<String>, Error> {
        let mut servers = std::collections::BTreeSet::new();
        for folder in [ticks::SERIES.id, names::RECENT] {
            let (found, _) = self.objects.names(&Path::from(folder))?;
            servers.extend(found.iter().map(|s| names::decoded(s)));
        }
        Ok(servers.into_iter().collect())
    }

    /// The first and the last look at `server` that are kept.
    ///
    /// # Errors
    /// As of [`History::look`].
    pub fn kept(&self, server: &str) -> Result<Option<(Timestamp, Timestamp)>, Error> {
        let days = self.days(server)?;
        let looks = |day: &String| self.looks_of(server, day);
        let mut first = days.iter().map(|d| looks(d).map(|l| l.into_iter().min()));
        let mut last = days.iter().rev().map(|d| looks(d).map(|l| l.into_iter().max()));
        let first = first.find_map(Result::transpose).transpose()?;
        let last = last.find_map(Result::transpose).transpose()?;
        Ok(first.zip(last))
    }

    fn looks_of(&self, server: &str, day: &str) -> Result<Vec<Timestamp>, Error> {
        let Some((from, to)) = names::moment(day, 0).zip(names::moment(day, 86_400)) else {
            return Ok(Vec::new());
        };
        let rows: Vec<ticks::Row> = self.rows(&ticks::SERIES, server, from, to)?;
        Ok(rows.into_iter().map(|row| row.at).collect())
    }

    /// Days, UTC, of which there is history of `server`, oldest first.
    fn days(&self, server: &str) -> Result<Vec<String>, Error> {
        let mut days = std::collections::BTreeSet::new();
        for folder in [ticks::SERIES.id, names::RECENT] {
            days.extend(self.objects.names(&Path::from_iter([folder, server]))?.0);
        }
        Ok(days.into_iter().collect())
    }

    fn recent_of(
        &self,
        series: &Series,
        server: &str,
        day: &str,
        slots: &mut BTreeMap<(Path, Span), Vec<RecordBatch>>,
    ) -> Result<(), Error> {
        let folder = names::folder(names::RECENT, server, day);
        let mut lines: BTreeMap<Span, Vec<u8>> = BTreeMap::new();
        for name in self.objects.names(&folder)?.1 {
            let Some(second) = names::batch_second(&name) else { continue };
            let object = folder.clone().join(name.as_str());
            // One that is gone has become a file.
            let Some(packed) = self.objects.get(&object)? else { continue };
            let unpacked = batch::unpacked(&packed, self.objects.file(&object))?;
            let rows = lines.entry(Span::around(second, SLOT_S)).or_default();
            batch::rows_of(&unpacked, series, rows);
        }
        for (span, lines) in lines.into_iter().filter(|(_, lines)| !lines.is_empty()) {
            let path = self.objects.file(&folder);
            let rows = parquet::read_rows(series, server, &lines, &path)?;
            slots.insert((names::folder(series.id, server, day), span), rows);
        }
        Ok(())
    }

    /// Rows of `server` in a series with `from <= at <= to`, oldest first.
    pub(super) fn rows<R: DeserializeOwned>(
        &self,
        series: &Series,
        server: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<R>, Error> {
        let path = self.objects.file(&Path::from(series.id));
        let mut tries = 0;
        let batches = loop {
            tries += 1;
            match self.batches(series, server, from, to)? {
                Some(batches) => break batches,
                None if tries < TRIES_MAX => {}
                None => return Err(Error::Missing { path, what: "file any more" }),
            }
        };
        let n_rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if n_rows > ROWS_MAX {
            return Err(Error::TooManyRows { path, most: ROWS_MAX });
        }
        let lines = parquet::lines_of(&batches, &path)?;
        let rows = lines.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        rows.map(serde_json::from_slice)
            .collect::<Result<_, _>>()
            .map_err(|source| Error::Malformed { path: path.clone(), line: source.line(), source })
    }

    /// `None` where a file went while it was to be read.
    fn batches(
        &self,
        series: &Series,
        server: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Vec<RecordBatch>>, Error> {
        let late = jiff::SignedDuration::from_secs(LATE_S);
        let end = to.saturating_add(late).unwrap_or(to);
        let mut found = Vec::new();
        let mut day = names::day(from).0;
        while let Some(midnight) = names::moment(&day, 0).filter(|m| *m <= end) {
            let mut slots = BTreeMap::new();
            self.recent_of(series, server, &day, &mut slots)?;
            let folder = names::folder(series.id, server, &day);
            let (_, files) = self.objects.names(&folder)?;
            let counting = names::counting(&files);
            let overlaps = |span: Span| {
                let moment = |s: i64| names::moment(&day, s).unwrap_or(midnight);
                moment(span.from_s) <= end && moment(span.to_s) >= from
            };
            for (span, name) in counting.iter().filter(|(span, _)| overlaps(*span)) {
                slots.retain(|(_, slot), _| !within(*slot, *span));
                let object = folder.clone().join(*name);
                let Some(bytes) = self.objects.get(&object)? else { return Ok(None) };
                found.extend(parquet::parsed(bytes, &self.objects.file(&object))?);
            }
            found.extend(slots.into_values().flatten());
            let Some(next) = names::moment(&day, 86_400) else { break };
            day = names::day(next).0;
        }
        let between = found.iter().map(|rows| parquet::between(rows, from, to));
        let between: Result<Vec<RecordBatch>, _> = between.collect();
        let path = self.objects.file(&Path::from(series.id));
        Ok(Some(between.map_err(|source| Error::Rows { path, source })?))
    }
}

fn within(slot: Span, file: Span) -> bool {
    file.from_s <= slot.from_s && slot.to_s <= file.to_s
}
