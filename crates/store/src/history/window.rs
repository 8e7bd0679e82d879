//! A window as it was: samples made again of the rows that were kept.

use super::History;
use crate::error::Error;
use crate::series::{database, ddl, gaps, locks, log, network, parts, sessions, settings};
use crate::series::{statements, tables, texts, ticks};
use jiff::{SignedDuration, Timestamp};
use pgward_model::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What a look back finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// One sample a second. Counters run from zero at its beginning; statements are known by
    /// their fingerprint in place of the server's id and have no constants.
    pub samples: Vec<Sample>,
    /// DDL of the hours before, oldest first.
    pub ddl: Vec<DdlEvent>,
}

/// DDL that a case remembers.
const DDL_S: i64 = 6 * 3600;
/// Between two looks lies a second; longer than this, and nobody looked.
const BLIND_S: f64 = 5.0;
/// The idle are noted once a minute, at its first look.
const IDLE_S: f64 = 60.0;
/// No counters cover a longer time.
const ROW_S: i64 = 60;
/// What a look back is made of.
struct Made<'a> {
    history: &'a History,
    server: &'a str,
    from: Timestamp,
    to: Timestamp,
    samples: Vec<Sample>,
}

impl History {
    /// What was seen of `server` with `from <= at <= to`. No sample where nobody looked; the
    /// first after such a time has a gap for each of `samplers`.
    ///
    /// # Errors
    /// [`Error::TooManyRows`] when more was kept of that time than is read at once;
    /// [`Error::Read`], [`Error::Rows`] where a file does not read.
    pub fn look(
        &self,
        server: &str,
        from: Timestamp,
        to: Timestamp,
        samplers: &[&str],
    ) -> Result<Looked, Error> {
        let looks: Vec<ticks::Row> = self.rows(&ticks::SERIES, server, from, to)?;
        let mut by_time: BTreeMap<Timestamp, ticks::Row> = BTreeMap::new();
        by_time.extend(looks.into_iter().map(|row| (row.at, row)));
        let samples = by_time.into_values().map(|row| Sample {
            at: row.at,
            own_ms: row.own_ms,
            blocks_scanned: row.blocks_scanned,
            ..Sample::default()
        });
        let mut made = Made { history: self, server, from, to, samples: samples.collect() };
        made.parts()?;
        made.sessions()?;
        made.database()?;
        made.network()?;
        made.statements()?;
        made.tables()?;
        made.log()?;
        made.settings()?;
        let ddl = made.ddl()?;
        made.gaps()?;
        made.blind(samplers);
        Ok(Looked { samples: made.samples, ddl })
    }
}

impl Made<'_> {
    fn rows<R: DeserializeOwned>(&self, series: &crate::series::Series) -> Result<Vec<R>, Error> {
        self.history.rows(series, self.server, self.from, self.to)
    }

    /// The sample of exactly that moment.
    fn sample_at(&mut self, at: Timestamp) -> Option<&mut Sample> {
        let i = self.samples.binary_search_by_key(&at, |s| s.at).ok()?;
        self.samples.get_mut(i)
    }

    /// The first sample at that moment or later.
    fn sample_from(&mut self, at: Timestamp) -> Option<&mut Sample> {
        let i = self.samples.partition_point(|s| s.at < at);
        self.samples.get_mut(i)
    }

    /// Parts without a series of their own come first, since each makes its sample anew.
    fn parts(&mut self) -> Result<(), Error> {
        let again = SignedDuration::from_secs_f64(parts::AGAIN_S + 10.0);
        let from = self.from.checked_sub(again).unwrap_or(self.from);
        let mut rows: Vec<parts::Row> =
            self.history.rows(&parts::SERIES, self.server, from, self.to)?;
        rows.sort_by_key(|r| r.at);
        let mut by_sample: BTreeMap<Timestamp, Vec<parts::Row>> = BTreeMap::new();
        let first = self.samples.first().map(|s| s.at);
        for mut row in rows {
            if let Some(first) = first.filter(|first| row.at < *first) {
                if row.json.starts_with('[') {
                    continue; // what happened before does not happen again
                }
                row.at = first;
            }
            by_sample.entry(row.at).or_default().push(row);
        }
        for (at, rows) in by_sample {
            let Some(sample) = self.sample_at(at) else { continue };
            if let Some(whole) = with_parts(sample, &rows) {
                *sample = whole;
            }
        }
        Ok(())
    }

    fn texts(&self) -> Result<HashMap<String, Arc<str>>, Error> {
        let day = SignedDuration::from_hours(24);
        let from = self.from.checked_sub(day).unwrap_or(self.from);
        let rows: Vec<texts::Row> =
            self.history.rows(&texts::SERIES, self.server, from, self.to)?;
        Ok(rows.into_iter().map(|r| (r.fingerprint, Arc::from(r.text))).collect())
    }

    fn sessions(&mut self) -> Result<(), Error> {
        let texts = self.texts()?;
        let text = |f: &Option<String>| {
            let text = f.as_ref().and_then(|f| texts.get(f)).map(|t| t.to_string());
            text.unwrap_or_default()
        };
        let mut idle: HashMap<Pid, SessionSample> = HashMap::new();
        let mut rows: Vec<sessions::Row> = self.rows(&sessions::SERIES)?;
        rows.sort_by_key(|r| (r.at, r.pid));
        let mut by_time: BTreeMap<Timestamp, Vec<SessionSample>> = BTreeMap::new();
        for row in rows {
            let (query, at) = (text(&row.fingerprint), row.at);
            by_time.entry(at).or_default().push(session(row, query));
        }
        let mut noted = None;
        for sample in &mut self.samples {
            let seen = by_time.remove(&sample.at).unwrap_or_default();
            if seen.iter().any(|s| s.state == "idle") {
                idle =
                    seen.iter().filter(|s| s.state == "idle").map(|s| (s.pid, s.clone())).collect();
                noted = Some(sample.at);
            }
            let recent = noted.is_some_and(|n| seconds_between(n, sample.at) <= IDLE_S + 2.0);
            // Who was at work since is idle no more under the old statement, but still there.
            let at_work: Vec<Pid> = seen.iter().map(|s| s.pid).collect();
            sample.sessions = seen;
            if recent {
                let others = idle.values().filter(|s| !at_work.contains(&s.pid)).cloned();
                sample.sessions.extend(others);
            }
            sample.sessions.sort_by_key(|s| s.pid);
        }
        for row in self.rows::<locks::Row>(&locks::SERIES)? {
            let Some(sample) = self.sample_at(row.at) else { continue };
            if let Some(session) = sample.sessions.iter_mut().find(|s| s.pid == row.pid) {
                lock(session, row);
            }
        }
        Ok(())
    }

    fn database(&mut self) -> Result<(), Error> {
        let mut rows: Vec<database::Row> = self.rows(&database::SERIES)?;
        rows.sort_by_key(|r| r.at);
        let mut sum: Option<DatabaseCounters> = None;
        for row in rows {
            sum = Some(counted(sum.as_ref(), &row));
            if let Some(sample) = self.sample_at(row.at) {
                sample.database = sum;
            }
        }
        Ok(())
    }

    fn network(&mut self) -> Result<(), Error> {
        for row in self.rows::<network::Row>(&network::SERIES)? {
            let Some(sample) = self.sample_at(row.at) else { continue };
            sample.probe = word(&row);
        }
        Ok(())
    }

    fn statements(&mut self) -> Result<(), Error> {
        let texts = self.texts()?;
        let mut rows: Vec<statements::Row> = self.rows(&statements::SERIES)?;
        rows.sort_by_key(|r| r.at);
        let mut sums: BTreeMap<(String, String), StatementCounters> = BTreeMap::new();
        for row in &rows {
            let text = texts.get(&row.fingerprint).cloned().unwrap_or_default();
            let key = (row.fingerprint.clone(), row.role.clone());
            sums.entry(key)
                .or_insert_with(|| statement_at_zero(&row.fingerprint, &row.role, &text));
        }
        let ends = ends(rows.iter().map(|r| r.at));
        if let Some(sample) = rows.first().and_then(|r| self.sample_from(r.at)) {
            sample.statements = Some(sums.values().cloned().collect());
        }
        for same in rows.chunk_by(|a, b| a.at == b.at) {
            for row in same {
                if let Some(s) = sums.get_mut(&(row.fingerprint.clone(), row.role.clone())) {
                    s.calls += row.calls;
                    s.total_ms += row.total_ms;
                    s.squares_ms2 += row.squares_ms2;
                    s.rows += row.rows;
                    s.blks += row.blks;
                    s.blks_read += row.blks_read;
                }
            }
            let end = same.first().and_then(|r| ends.get(&r.at));
            if let Some(sample) = end.and_then(|end| self.sample_from(*end)) {
                sample.statements = Some(sums.values().cloned().collect());
            }
        }
        Ok(())
    }

    fn tables(&mut self) -> Result<(), Error> {
        let mut rows: Vec<tables::Row> = self.rows(&tables::SERIES)?;
        rows.sort_by_key(|r| r.at);
        let ends = ends(rows.iter().map(|r| r.at));
        let mut sums: BTreeMap<u32, TableCounters> = BTreeMap::new();
        for same in rows.chunk_by(|a, b| a.at == b.at) {
            for row in same {
                sums.insert(row.oid, table(sums.get(&row.oid), row));
            }
            let end = same.first().and_then(|r| ends.get(&r.at));
            if let Some(sample) = end.and_then(|end| self.sample_from(*end)) {
                sample.tables = Some(sums.values().cloned().collect());
            }
        }
        Ok(())
    }

    fn log(&mut self) -> Result<(), Error> {
        let texts = self.texts()?;
        let mut rows: Vec<log::Row> = self.rows(&log::SERIES)?;
        rows.sort_by_key(|r| r.at);
        for row in rows {
            let text = row.fingerprint.as_ref().and_then(|f| texts.get(f));
            let statement = text.map(|t| t.to_string()).unwrap_or_default();
            let Ok(mut kept) = serde_json::to_value(&row) else { continue };
            kept["statement"] = Value::String(statement);
            if let (Some(entry), Some(sample)) = (word(&kept), self.sample_from(row.at)) {
                sample.log.push(entry);
            }
        }
        Ok(())
    }

    fn settings(&mut self) -> Result<(), Error> {
        for row in self.rows::<settings::Row>(&settings::SERIES)? {
            let Some(sample) = self.sample_from(row.at) else { continue };
            sample.changes.push(ConfigChange {
                at: row.at,
                kind: row.kind,
                name: row.name,
                before: row.before,
                after: row.after,
            });
        }
        Ok(())
    }

    fn ddl(&mut self) -> Result<Vec<DdlEvent>, Error> {
        let before = SignedDuration::from_secs(DDL_S);
        let from = self.from.checked_sub(before).unwrap_or(self.from);
        let rows: Vec<ddl::Row> = self.history.rows(&ddl::SERIES, self.server, from, self.to)?;
        let mut events: Vec<DdlEvent> = rows.into_iter().map(event).collect();
        events.sort_by_key(|e| e.at);
        for event in events.iter().filter(|e| e.at >= self.from) {
            let i = self.samples.partition_point(|s| s.at < event.at);
            if let Some(sample) = self.samples.get_mut(i) {
                sample.ddl.push(event.clone());
            }
        }
        Ok(events)
    }

    fn gaps(&mut self) -> Result<(), Error> {
        for row in self.rows::<gaps::Row>(&gaps::SERIES)? {
            let (from, until) = (row.at, row.until);
            let missing = |s: &&mut Sample| s.at >= from && s.at <= until;
            for sample in self.samples.iter_mut().filter(missing) {
                sample.gaps.push(Gap { sampler: row.sampler.clone(), why: row.why.clone() });
            }
        }
        Ok(())
    }

    /// Where nobody looked, no sampler was complete.
    fn blind(&mut self, samplers: &[&str]) {
        let mut before: Option<Timestamp> = None;
        for sample in &mut self.samples {
            let blind = before.filter(|b| seconds_between(*b, sample.at) > BLIND_S);
            if let Some(since) = blind {
                let why = format!("nothing was kept from {} on", since.strftime("%H:%M:%S"));
                let gap = |s: &&str| Gap { sampler: (*s).to_owned(), why: why.clone() };
                sample.gaps.extend(samplers.iter().map(gap));
            }
            before = Some(sample.at);
        }
    }
}

/// When the time of a row ends that began then: with the next that begins, a minute later at
/// the latest.
fn ends(began: impl Iterator<Item = Timestamp>) -> BTreeMap<Timestamp, Timestamp> {
    let all: std::collections::BTreeSet<Timestamp> = began.collect();
    let most = |at: Timestamp| at.checked_add(SignedDuration::from_secs(ROW_S)).unwrap_or(at);
    let next = all.iter().skip(1).map(Some).chain([None]);
    all.iter()
        .zip(next)
        .map(|(at, n)| (*at, n.copied().unwrap_or(most(*at)).min(most(*at))))
        .collect()
}

/// The server's id of a statement is not kept; half of its fingerprint stands for it.
fn query_id(fingerprint: &str) -> i64 {
    i64::from_str_radix(fingerprint.get(..15).unwrap_or("0"), 16).unwrap_or_default()
}

fn statement_at_zero(fingerprint: &str, role: &str, text: &str) -> StatementCounters {
    StatementCounters {
        query_id: query_id(fingerprint),
        role: role.to_owned(),
        text: text.into(),
        calls: 0,
        total_ms: 0.0,
        rows: 0,
        blks: 0,
        blks_read: 0,
        squares_ms2: 0.0,
    }
}

/// A word of which some parts were kept; what it has learned to say since is as good as unsaid.
fn word<T: DeserializeOwned>(kept: &impl Serialize) -> Option<T> {
    serde_json::from_value(serde_json::to_value(kept).ok()?).ok()
}

fn with_parts(sample: &Sample, rows: &[parts::Row]) -> Option<Sample> {
    let Ok(Value::Object(mut whole)) = serde_json::to_value(sample) else { return None };
    for row in rows {
        whole.insert(row.part.clone(), serde_json::from_str(&row.json).ok()?);
    }
    // A part of an older or newer pgward may have another shape; then it is as good as unseen.
    serde_json::from_value(Value::Object(whole)).ok()
}

fn session(row: sessions::Row, query: String) -> SessionSample {
    let query_id = row.fingerprint.as_deref().map_or(0, query_id);
    SessionSample {
        pid: row.pid,
        role: row.role,
        application: row.application,
        client: row.client,
        database: row.database,
        backend_start: row.backend_start,
        xact_start: row.xact_start,
        query_start: row.query_start,
        state_change: row.state_change.or(row.query_start),
        state: row.state,
        wait_type: row.wait_type,
        wait_event: row.wait_event,
        xid: row.xid,
        query,
        query_id,
        blocked_by: row.blocked_by,
        waits_for: None,
        holds: Vec::new(),
    }
}

fn lock(session: &mut SessionSample, row: locks::Row) {
    let relation = row.relation.map(|name| Relation::new(row.schema.unwrap_or_default(), name));
    if !row.granted {
        let kind = row.kind.unwrap_or_default();
        session.waits_for = Some(WaitedLock { kind, mode: row.mode, relation, since: row.since });
    } else if let Some(relation) = relation {
        session.holds.push(HeldLock { mode: row.mode, relation });
    }
}

// Every field by its name: one that is counted but not kept must not read as 0 in a look back.

fn counted(sum: Option<&DatabaseCounters>, row: &database::Row) -> DatabaseCounters {
    let so_far = |of: fn(&DatabaseCounters) -> i64| sum.map_or(0, of);
    DatabaseCounters {
        xact_commit: so_far(|d| d.xact_commit) + row.commits,
        xact_rollback: so_far(|d| d.xact_rollback) + row.rollbacks,
        blks_read: so_far(|d| d.blks_read) + row.blks_read,
        blks_hit: so_far(|d| d.blks_hit) + row.blks_hit,
        blk_read_ms: row.blk_read_ms.map(|ms| ms + sum.and_then(|d| d.blk_read_ms).unwrap_or(0.0)),
        tup_returned: so_far(|d| d.tup_returned) + row.tup_returned,
        tup_updated: so_far(|d| d.tup_updated) + row.tup_updated,
        tup_deleted: so_far(|d| d.tup_deleted) + row.tup_deleted,
        temp_bytes: so_far(|d| d.temp_bytes) + row.temp_bytes,
        deadlocks: so_far(|d| d.deadlocks) + row.deadlocks,
        checksum_failures: row.checksum_failures,
        n_backends: row.n_backends,
        max_connections: row.max_connections,
        open_connections: row.open_connections,
    }
}

fn table(sum: Option<&TableCounters>, row: &tables::Row) -> TableCounters {
    let so_far = |of: fn(&TableCounters) -> i64| sum.map_or(0, of);
    TableCounters {
        oid: row.oid,
        relation: Relation::new(&row.schema, &row.relation),
        n_live: row.n_live,
        n_dead: row.n_dead,
        seq_scans: so_far(|t| t.seq_scans) + row.seq_scans,
        seq_rows: so_far(|t| t.seq_rows) + row.seq_rows,
        idx_scans: so_far(|t| t.idx_scans) + row.idx_scans,
        inserted: so_far(|t| t.inserted) + row.inserted,
        updated: so_far(|t| t.updated) + row.updated,
        deleted: so_far(|t| t.deleted) + row.deleted,
        vacuums: so_far(|t| t.vacuums) + row.vacuums,
        written_since_analyze: row.written_since_analyze,
        planner_rows: row.planner_rows,
        last_analyze: row.last_analyze,
    }
}

fn event(row: ddl::Row) -> DdlEvent {
    DdlEvent {
        at: row.at,
        pid: row.pid,
        role: row.role,
        application: row.application,
        client: row.client,
        command: row.command,
        object_kind: row.object_kind,
        identity: row.identity,
        relation: row.relation.map(|name| Relation::new(row.schema.unwrap_or_default(), name)),
        dropped: row.dropped,
        old_definition: row.old_definition,
        xid: row.xid,
        lsn: row.lsn,
        statement: row.statement,
        seen_by: row.seen_by,
    }
}
