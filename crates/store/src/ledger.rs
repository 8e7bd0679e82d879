//! The ledger: events in the order they happened, one object per batch, never changed again.

use crate::error::Error;
use crate::vault::Vault;
use jiff::{Timestamp, tz::TimeZone};
use object_store::path::Path;
use pgward_model::event::Event;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Most events one call returns: a day of one event a second.
const EVENTS_MAX: usize = 86_400;
/// Batches of one server with the same first millisecond: two processes at once are two.
const SAME_TIME_MAX: u32 = 10_000;

impl Vault {
    /// Adds events to the ledger: one object `ledger/SERVER/DATE/TIME-SEQ.jsonl` for the events
    /// of one server and one day (UTC). They are durable when it returns.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::NotWritable`], [`Error::Write`]; then none of the batch of that
    /// server and day is in the ledger.
    pub fn append(&self, events: &[Event]) -> Result<(), Error> {
        let mut batches: BTreeMap<(String, String), Vec<&Event>> = BTreeMap::new();
        for event in events {
            batches.entry((event.server.clone(), date_of(event.at))).or_default().push(event);
        }
        batches
            .iter()
            .try_for_each(|((server, date), batch)| self.append_batch(server, date, batch))
    }

    fn append_batch(&self, server: &str, date: &str, batch: &[&Event]) -> Result<(), Error> {
        let mut bytes = Vec::new();
        for event in batch {
            serde_json::to_writer(&mut bytes, event)
                .map_err(|source| Error::Json { what: "an event", source })?;
            bytes.push(b'\n');
        }
        let first = batch.iter().map(|e| e.at).min().unwrap_or_default();
        let time = first.to_zoned(TimeZone::UTC).strftime("%H%M%S%3f").to_string();
        for seq in 0..SAME_TIME_MAX {
            let name = format!("{time}-{seq:04}.jsonl");
            let object = Path::from_iter(["ledger", server, date, &name]);
            if self.put_new(&object, bytes.clone())? {
                return Ok(());
            }
        }
        let path = self.file(&Path::from_iter(["ledger", server, date]));
        Err(Error::TooMany { path, most: SAME_TIME_MAX as usize })
    }

    /// Events of `server` with `from <= at <= to`, oldest first; events of the same moment stay
    /// in the order in which they were appended.
    ///
    /// # Errors
    /// [`Error::TooMany`] beyond 86,400 events; [`Error::Malformed`] names the file and line.
    pub fn events(
        &self,
        server: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Event>, Error> {
        let folder = Path::from_iter(["ledger", server]);
        let (first, last) = (date_of(from), date_of(to));
        let mut events: Vec<Event> = Vec::new();
        let (dates, _) = self.names(&folder)?;
        for date in dates.iter().filter(|d| **d >= first && **d <= last) {
            let (_, batches) = self.names(&folder.clone().join(date.as_str()))?;
            for batch in batches.iter().filter(|b| b.ends_with(".jsonl")) {
                let object = folder.clone().join(date.as_str()).join(batch.as_str());
                let bytes = self.get(&object)?.unwrap_or_default();
                let read = parse(&bytes, &self.file(&object))?;
                events.extend(read.into_iter().filter(|e| e.at >= from && e.at <= to));
                if events.len() > EVENTS_MAX {
                    return Err(Error::TooMany { path: self.file(&folder), most: EVENTS_MAX });
                }
            }
        }
        events.sort_by_key(|e| e.at);
        Ok(events)
    }
}

fn parse(bytes: &[u8], path: &std::path::Path) -> Result<Vec<Event>, Error> {
    let lines = bytes.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    lines
        .map(|(i, line)| {
            serde_json::from_slice(line).map_err(|source| Error::Malformed {
                path: PathBuf::from(path),
                line: i + 1,
                source,
            })
        })
        .collect()
}

fn date_of(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgward_model::event::EventKind;
    use pgward_model::evidence::{Source, SourceKind};

    fn event(at: &str, server: &str, what: &str) -> Event {
        Event {
            at: at.parse().unwrap(),
            server: server.to_owned(),
            kind: EventKind::Note,
            subject: "orders".into(),
            actor: "pgward".into(),
            what: what.to_owned(),
            source: Source::new(SourceKind::Sample, "sessions"),
        }
    }

    fn whats(vault: &Vault, server: &str, from: &str, to: &str) -> Vec<String> {
        let read = vault.events(server, from.parse().unwrap(), to.parse().unwrap()).unwrap();
        read.into_iter().map(|e| e.what).collect()
    }

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        vault
            .append(&[
                event("2026-11-21T23:59:59.5Z", "a/b", "second"),
                event("2026-11-21T23:59:58Z", "a/b", "first"),
                event("2026-11-22T00:00:01Z", "a/b", "third"),
                event("2026-11-22T00:00:01Z", "other", "elsewhere"),
            ])
            .unwrap();
        vault.append(&[event("2026-11-22T00:00:01Z", "a/b", "fourth")]).unwrap();
        let all = whats(&vault, "a/b", "2026-11-21T00:00:00Z", "2026-11-23T00:00:00Z");
        assert_eq!(all, ["first", "second", "third", "fourth"]);
        let some = whats(&vault, "a/b", "2026-11-21T23:59:59Z", "2026-11-22T00:00:00Z");
        assert_eq!(some, ["second"]);
        assert_eq!(
            whats(&vault, "nobody", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z").len(),
            0
        );
    }

    #[test]
    fn two_writers_of_one_moment_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let vault = Vault::open(dir.path()).unwrap();
            for i in 0..20 {
                let what = format!("{name}{i}");
                vault.append(&[event("2026-11-21T05:00:00Z", "s", &what)]).unwrap();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| write("a"));
            scope.spawn(|| write("b"));
        });
        let vault = Vault::open(dir.path()).unwrap();
        let all = whats(&vault, "s", "2026-11-21T05:00:00Z", "2026-11-21T05:00:00Z");
        assert_eq!(all.len(), 40);
    }

    #[test]
    fn a_half_written_file_of_a_crash_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        vault.append(&[event("2026-11-21T05:00:00Z", "s", "whole")]).unwrap();
        // What object_store leaves when the machine dies between writing and renaming.
        let torn = dir.path().join("ledger/s/2026-11-21/050001000-0000.jsonl#1");
        std::fs::write(torn, b"{\"at\":\"2026-11-2").unwrap();
        assert_eq!(whats(&vault, "s", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"), ["whole"]);
    }

    #[test]
    fn a_foreign_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        vault.append(&[event("2026-11-21T05:00:00Z", "s", "whole")]).unwrap();
        let foreign = dir.path().join("ledger/s/2026-11-21/060000000-0000.jsonl");
        std::fs::write(&foreign, b"\n{}\n").unwrap();
        let (from, to) = ("2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z");
        let error = vault.events("s", from.parse().unwrap(), to.parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("060000000-0000.jsonl, line 2"), "{error}");
    }
}
