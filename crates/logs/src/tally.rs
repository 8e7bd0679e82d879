//! Sums up records as they pass, in bounded memory: a log of any size leaves a few megabytes.

mod bounded;
mod parts;

use crate::classes::{Class, ordinal};
use crate::measure::{Measure, Phase};
use crate::record::{Level, Record, kept};
use crate::shape::shape;
pub(crate) use bounded::{Bounded, Merge};
pub(crate) use parts::{
    ClassTally, ErrorTally, LockTally, Locks, StatementTally, TempTally, VacuumTally, Vacuums,
};
use pgward_model::prelude::{LogBucket, LogCheckpoints};
use std::collections::{BTreeMap, HashMap};

/// Shapes of statements that are told apart at a time.
const STATEMENTS_MAX: usize = 5_000;
/// Groups of errors, locks, tables, roles and the like.
const GROUPS_MAX: usize = 2_000;
/// Processes whose last logged statement waits for its duration.
const BEGUN_MAX: usize = 4_096;
/// Stretches of time; when there are more, each becomes twice as long.
const BUCKETS_MAX: usize = 4_096;

/// Everything that is counted. Tallies of parts of a log merge into that of the whole.
#[derive(Debug, Default)]
pub struct Tally {
    pub(crate) n_records: u64,
    pub(crate) n_errors: u64,
    pub(crate) first_ms: Option<i64>,
    pub(crate) last_ms: Option<i64>,
    pub(crate) classes: BTreeMap<usize, ClassTally>,
    pub(crate) statements: Bounded<StatementTally>,
    pub(crate) n_statements: u64,
    pub(crate) statements_ms: f64,
    pub(crate) errors: Bounded<ErrorTally>,
    pub(crate) locks: Locks,
    pub(crate) checkpoints: LogCheckpoints,
    pub(crate) reasons: BTreeMap<String, u64>,
    pub(crate) temp_files: Bounded<TempTally>,
    pub(crate) n_temp: u64,
    pub(crate) temp_bytes: f64,
    pub(crate) temp_largest: f64,
    pub(crate) vacuums: Vacuums,
    pub(crate) connections: Connections,
    pub(crate) buckets: BTreeMap<i64, LogBucket>,
    /// The last bucket, not yet among the others: records come about in order.
    open: Option<(i64, LogBucket)>,
    /// Seconds of a bucket.
    pub(crate) bucket_s: i64,
    begun: HashMap<i32, (Vec<u8>, String)>,
    scratch: Vec<u8>,
}

#[derive(Debug, Default)]
pub(crate) struct Connections {
    pub(crate) n_received: u64,
    pub(crate) n_authorized: u64,
    pub(crate) n_ended: u64,
    pub(crate) seconds: Option<hdrhistogram::Histogram<u32>>,
    pub(crate) by_role: Bounded<u64>,
    pub(crate) by_database: Bounded<u64>,
    pub(crate) by_application: Bounded<u64>,
}

impl Merge for u64 {
    fn merge(&mut self, other: u64) {
        *self += other;
    }
    fn weight(&self) -> f64 {
        *self as f64
    }
}

impl Tally {
    pub fn new() -> Tally {
        Tally {
            bucket_s: 1,
            statements: Bounded::new(STATEMENTS_MAX),
            errors: Bounded::new(GROUPS_MAX),
            temp_files: Bounded::new(GROUPS_MAX),
            locks: Locks { by_lock: Bounded::new(GROUPS_MAX), ..Locks::default() },
            vacuums: Vacuums { tables: Bounded::new(GROUPS_MAX), ..Vacuums::default() },
            connections: Connections {
                by_role: Bounded::new(GROUPS_MAX),
                by_database: Bounded::new(GROUPS_MAX),
                by_application: Bounded::new(GROUPS_MAX),
                ..Connections::default()
            },
            ..Tally::default()
        }
    }

    /// Counts one record.
    pub fn add(&mut self, record: &Record<'_>) {
        let (i, class) = ordinal(record);
        self.n_records += 1;
        if let Some(ms) = record.at_ms {
            self.first_ms = Some(self.first_ms.map_or(ms, |first| first.min(ms)));
            self.last_ms = Some(self.last_ms.map_or(ms, |last| last.max(ms)));
        }
        self.classes.entry(i).or_default().add(record);
        let is_error = record.level >= Level::Error;
        self.bucket(record, |bucket| {
            bucket.n_records += 1;
            bucket.n_errors += u64::from(is_error);
        });
        if is_error || record.level == Level::Warning {
            self.n_errors += u64::from(is_error);
            self.error(record, class);
        }
        if let Some(measure) = class.reads.and_then(|reads| reads(record)) {
            self.measure(record, measure);
        }
        match class.id {
            "checkpoints_frequent" => self.checkpoints.n_too_frequent += 1,
            "autovacuum_cancelled" => self.vacuums.n_cancelled += 1,
            "deadlock" => self.locks.n_deadlocks += 1,
            _ => {}
        }
    }

    fn measure(&mut self, record: &Record<'_>, measure: Measure<'_>) {
        match measure {
            Measure::Statement { ms, text, phase } => self.statement(record, ms, text, phase),
            Measure::Begun { text } => {
                if self.begun.len() >= BEGUN_MAX {
                    self.begun.clear(); // their durations will not come any more
                }
                shape(text, &mut self.scratch);
                let sample = kept(crate::text::head(text, parts::SAMPLE_MAX));
                self.begun.insert(record.pid, (self.scratch.clone(), sample));
            }
            Measure::Plan { text, plan, .. } => {
                if !text.is_empty() {
                    shape(text, &mut self.scratch);
                    let entry = self.statements.entry(&self.scratch);
                    entry.plan(text, plan);
                }
            }
            Measure::LockWait(wait) => {
                self.locks.add(&wait, record);
                self.bucket(record, |b| b.n_lock_waits += u64::from(!wait.ended));
            }
            Measure::CheckpointBegun { why } => {
                if self.reasons.len() < GROUPS_MAX || self.reasons.contains_key(why) {
                    *self.reasons.entry(why.to_owned()).or_default() += 1;
                }
            }
            Measure::Checkpoint(done) => {
                parts::add_checkpoint(&mut self.checkpoints, &done);
                self.bucket(record, |b| b.n_checkpoints += 1);
            }
            Measure::TempFile { bytes } => self.temp_file(record, bytes),
            Measure::Vacuum(run) => self.vacuums.add(&run),
            Measure::Received => {
                self.connections.n_received += 1;
                self.bucket(record, |b| b.n_connections += 1);
            }
            Measure::Authorized { role, database, application } => {
                let all = &mut self.connections;
                all.n_authorized += 1;
                *all.by_role.entry(role.as_bytes()) += 1;
                *all.by_database.entry(database.as_bytes()) += 1;
                *all.by_application.entry(application.as_bytes()) += 1;
            }
            Measure::Ended { seconds } => {
                self.connections.n_ended += 1;
                parts::record(&mut self.connections.seconds, seconds * 1_000.0);
            }
        }
    }

    fn statement(&mut self, record: &Record<'_>, ms: f64, text: &str, phase: Phase) {
        self.statements_ms += ms;
        self.n_statements += u64::from(phase == Phase::Run);
        self.bucket(record, |bucket| {
            bucket.n_statements += u64::from(phase == Phase::Run);
            bucket.statements_ms += ms;
        });
        if !text.is_empty() {
            shape(text, &mut self.scratch);
            self.statements.entry(&self.scratch).add(record, ms, text, phase);
        } else if let Some((shape, sample)) = self.begun.remove(&record.pid) {
            self.statements.entry(&shape).add(record, ms, &sample, phase);
        }
    }

    fn temp_file(&mut self, record: &Record<'_>, bytes: f64) {
        self.n_temp += 1;
        self.temp_bytes += bytes;
        self.temp_largest = self.temp_largest.max(bytes);
        self.bucket(record, |b| b.temp_bytes += bytes);
        shape(record.statement, &mut self.scratch);
        self.temp_files.entry(&self.scratch).add(record, bytes);
        if !record.statement.is_empty() {
            self.statements.entry(&self.scratch).temp_bytes += bytes;
        }
    }

    fn error(&mut self, record: &Record<'_>, class: &'static Class) {
        let mut key = std::mem::take(&mut self.scratch);
        shape(crate::text::head(record.message, parts::SAMPLE_MAX), &mut key);
        // Names in double quotes tell errors apart; what was shaped away were numbers.
        key.extend_from_slice(class.id.as_bytes());
        key.extend_from_slice(record.sqlstate.as_bytes());
        self.errors.entry(&key).add(record, class);
        self.scratch = key;
    }

    fn bucket(&mut self, record: &Record<'_>, change: impl FnOnce(&mut LogBucket)) {
        let Some(ms) = record.at_ms else { return };
        let begin = |bucket_s: i64| ms.div_euclid(1_000).div_euclid(bucket_s) * bucket_s;
        let at_s = begin(self.bucket_s);
        if self.open.as_ref().is_none_or(|(open_s, _)| *open_s != at_s) {
            self.close();
            let at_s = begin(self.bucket_s); // which closing may have widened
            self.open = Some((at_s, parts::bucket(at_s)));
        }
        if let Some((_, bucket)) = &mut self.open {
            change(bucket);
        }
    }

    /// Puts the last bucket among the others.
    pub(crate) fn close(&mut self) {
        let Some((at_s, bucket)) = self.open.take() else { return };
        let into = self.buckets.entry(at_s).or_insert_with(|| parts::bucket(at_s));
        into.add(&bucket);
        while self.buckets.len() > BUCKETS_MAX {
            self.widen(self.bucket_s * 2);
        }
    }

    fn widen(&mut self, bucket_s: i64) {
        self.bucket_s = bucket_s;
        let mut wide: BTreeMap<i64, LogBucket> = BTreeMap::new();
        for (at_s, bucket) in std::mem::take(&mut self.buckets) {
            let at_s = at_s.div_euclid(bucket_s) * bucket_s;
            let into = wide.entry(at_s).or_insert_with(|| parts::bucket(at_s));
            into.add(&bucket);
        }
        self.buckets = wide;
    }

    /// Takes in what was counted of another part.
    pub fn merge(&mut self, mut other: Tally) {
        self.close();
        other.close();
        self.n_records += other.n_records;
        self.n_errors += other.n_errors;
        self.first_ms = [self.first_ms, other.first_ms].into_iter().flatten().min();
        self.last_ms = [self.last_ms, other.last_ms].into_iter().flatten().max();
        for (i, tally) in std::mem::take(&mut other.classes) {
            self.classes.entry(i).or_default().merge(tally);
        }
        self.statements.merge(std::mem::take(&mut other.statements));
        self.n_statements += other.n_statements;
        self.statements_ms += other.statements_ms;
        self.errors.merge(std::mem::take(&mut other.errors));
        self.locks.merge(std::mem::take(&mut other.locks));
        parts::merge_checkpoints(&mut self.checkpoints, &other.checkpoints);
        for (why, n) in std::mem::take(&mut other.reasons) {
            *self.reasons.entry(why).or_default() += n;
        }
        self.temp_files.merge(std::mem::take(&mut other.temp_files));
        self.n_temp += other.n_temp;
        self.temp_bytes += other.temp_bytes;
        self.temp_largest = self.temp_largest.max(other.temp_largest);
        self.vacuums.merge(std::mem::take(&mut other.vacuums));
        self.connections.merge(std::mem::take(&mut other.connections));
        let bucket_s = self.bucket_s.max(other.bucket_s);
        self.widen(bucket_s);
        other.widen(bucket_s);
        for (at_s, bucket) in other.buckets {
            let into = self.buckets.entry(at_s).or_insert_with(|| parts::bucket(at_s));
            into.add(&bucket);
        }
        while self.buckets.len() > BUCKETS_MAX {
            self.widen(self.bucket_s * 2);
        }
    }
}

impl Connections {
    fn merge(&mut self, other: Connections) {
        self.n_received += other.n_received;
        self.n_authorized += other.n_authorized;
        self.n_ended += other.n_ended;
        parts::merge_histogram(&mut self.seconds, other.seconds);
        self.by_role.merge(other.by_role);
        self.by_database.merge(other.by_database);
        self.by_application.merge(other.by_application);
    }
}
