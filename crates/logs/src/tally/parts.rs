//! What is counted of each group.

use super::bounded::{Bounded, Merge};
use crate::classes::Class;
use crate::measure::{Checkpoint, LockWait, Phase, Vacuum};
use crate::record::{Record, kept};
use crate::text::head;
use hdrhistogram::Histogram;
use jiff::Timestamp;
use pgward_model::prelude::{LogBucket, LogCheckpoints};

/// Bytes of a text that is kept as an example.
pub(super) const SAMPLE_MAX: usize = 2_000;
/// Bytes of a plan that is kept.
const PLAN_MAX: usize = 8_000;
/// One digit of each duration: quantiles are right within a tenth, and a group stays small.
const DIGITS: u8 = 1;

/// A class of messages.
#[derive(Debug, Default)]
pub(crate) struct ClassTally {
    pub(crate) n: u64,
    pub(crate) first_ms: Option<i64>,
    pub(crate) last_ms: Option<i64>,
    pub(crate) example: String,
    pub(crate) detail: String,
    pub(crate) statement: String,
    pub(crate) role: String,
    pub(crate) database: String,
    pub(crate) pid: i32,
    /// A few different roles and clients, to tell one from many.
    pub(crate) roles: Vec<String>,
    pub(crate) clients: Vec<String>,
}

/// Different roles and clients of a class that are told apart.
const FEW: usize = 16;

impl ClassTally {
    pub(super) fn add(&mut self, record: &Record<'_>) {
        self.n += 1;
        if self.n == 1 {
            self.first_ms = record.at_ms;
            self.example = kept(head(record.message, SAMPLE_MAX));
            self.detail = kept(head(record.detail, SAMPLE_MAX));
            self.statement = kept(head(record.statement, SAMPLE_MAX));
            self.role = record.role.to_owned();
            self.database = record.database.to_owned();
            self.pid = record.pid;
        }
        self.last_ms = record.at_ms.or(self.last_ms);
        if self.n < 10_000 {
            few(&mut self.roles, record.role);
            few(&mut self.clients, record.client.split(['(', ':']).next().unwrap_or(""));
        }
    }

    pub(super) fn merge(&mut self, other: ClassTally) {
        if self.n == 0 {
            *self = other;
            return;
        }
        self.n += other.n;
        self.last_ms = self.last_ms.max(other.last_ms);
        other.roles.iter().for_each(|role| few(&mut self.roles, role));
        other.clients.iter().for_each(|client| few(&mut self.clients, client));
        if other.first_ms.is_some_and(|at| self.first_ms.is_none_or(|own| at < own)) {
            self.first_ms = other.first_ms;
            self.example = other.example;
            self.detail = other.detail;
            self.statement = other.statement;
            self.role = other.role;
            self.database = other.database;
            self.pid = other.pid;
        }
    }
}

fn few(all: &mut Vec<String>, name: &str) {
    if all.len() < FEW && !name.is_empty() && !all.iter().any(|known| known == name) {
        all.push(name.to_owned());
    }
}

/// Statements of one shape.
#[derive(Debug, Default)]
pub(crate) struct StatementTally {
    pub(crate) calls: u64,
    pub(crate) total_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) micros: Option<Histogram<u32>>,
    pub(crate) slowest: String,
    pub(crate) slowest_ms: Option<i64>,
    pub(crate) database: String,
    pub(crate) role: String,
    pub(crate) application: String,
    pub(crate) n_plans: u64,
    pub(crate) plan: String,
    pub(crate) temp_bytes: f64,
}

impl StatementTally {
    pub(super) fn add(&mut self, record: &Record<'_>, ms: f64, text: &str, phase: Phase) {
        self.total_ms += ms;
        if phase == Phase::Run {
            self.calls += 1;
            super::parts::record(&mut self.micros, ms * 1_000.0);
        }
        if self.slowest.is_empty() || ms > self.max_ms {
            self.slowest = kept(head(text, SAMPLE_MAX));
            self.slowest_ms = record.at_ms;
            record.database.clone_into(&mut self.database);
            record.role.clone_into(&mut self.role);
            record.application.clone_into(&mut self.application);
        }
        self.max_ms = self.max_ms.max(ms);
    }

    pub(super) fn plan(&mut self, text: &str, plan: &str) {
        self.n_plans += 1;
        if self.slowest.is_empty() {
            self.slowest = kept(head(text, SAMPLE_MAX));
        }
        if self.plan.is_empty() {
            self.plan = kept(head(plan, PLAN_MAX));
        }
    }
}

impl Merge for StatementTally {
    fn merge(&mut self, other: StatementTally) {
        self.calls += other.calls;
        self.total_ms += other.total_ms;
        merge_histogram(&mut self.micros, other.micros);
        self.n_plans += other.n_plans;
        self.temp_bytes += other.temp_bytes;
        if self.plan.is_empty() {
            self.plan = other.plan;
        }
        if self.slowest.is_empty() || other.max_ms > self.max_ms {
            self.slowest = other.slowest;
            self.slowest_ms = other.slowest_ms;
            self.database = other.database;
            self.role = other.role;
            self.application = other.application;
        }
        self.max_ms = self.max_ms.max(other.max_ms);
    }

    fn weight(&self) -> f64 {
        self.total_ms
    }
}

/// Errors of one wording.
#[derive(Debug, Default)]
pub(crate) struct ErrorTally {
    pub(crate) n: u64,
    pub(crate) class: &'static str,
    pub(crate) sqlstate: String,
    pub(crate) severity: &'static str,
    pub(crate) message: String,
    pub(crate) detail: String,
    pub(crate) hint: String,
    pub(crate) statement: String,
    pub(crate) database: String,
    pub(crate) role: String,
    pub(crate) application: String,
    pub(crate) first_ms: Option<i64>,
    pub(crate) last_ms: Option<i64>,
}

impl ErrorTally {
    pub(super) fn add(&mut self, record: &Record<'_>, class: &'static Class) {
        self.n += 1;
        self.last_ms = record.at_ms.or(self.last_ms);
        if self.n > 1 {
            return;
        }
        let text = |text: &str| kept(head(text, SAMPLE_MAX));
        self.class = class.id;
        class.code(record).clone_into(&mut self.sqlstate);
        self.severity = record.level.id();
        self.message = text(record.message);
        self.detail = text(record.detail);
        self.hint = text(record.hint);
        self.statement = text(record.statement);
        record.database.clone_into(&mut self.database);
        record.role.clone_into(&mut self.role);
        record.application.clone_into(&mut self.application);
        self.first_ms = record.at_ms;
    }
}

impl Merge for ErrorTally {
    fn merge(&mut self, other: ErrorTally) {
        let n = self.n + other.n;
        let last_ms = self.last_ms.max(other.last_ms);
        let earlier = other.first_ms.is_some_and(|at| self.first_ms.is_none_or(|own| at < own));
        if self.n == 0 || earlier {
            *self = other;
        }
        self.n = n;
        self.last_ms = last_ms;
    }

    fn weight(&self) -> f64 {
        self.n as f64
    }
}

/// Waits for locks.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    pub(crate) n_waits: u64,
    pub(crate) n_acquired: u64,
    pub(crate) n_deadlocks: u64,
    pub(crate) waited_ms: f64,
    pub(crate) longest_ms: f64,
    pub(crate) by_lock: Bounded<LockTally>,
}

/// Waits for one mode on one object.
#[derive(Debug, Default)]
pub(crate) struct LockTally {
    pub(crate) mode: String,
    pub(crate) on: String,
    pub(crate) n: u64,
    pub(crate) waited_ms: f64,
    pub(crate) longest_ms: f64,
    pub(crate) statement: String,
}

impl Locks {
    pub(super) fn add(&mut self, wait: &LockWait<'_>, record: &Record<'_>) {
        let on = object(wait.on);
        let of_lock = self.by_lock.entry(format!("{} {on}", wait.mode).as_bytes());
        if of_lock.mode.is_empty() {
            wait.mode.clone_into(&mut of_lock.mode);
            of_lock.on = on;
        }
        if of_lock.statement.is_empty() {
            of_lock.statement = kept(head(record.statement, SAMPLE_MAX));
        }
        of_lock.longest_ms = of_lock.longest_ms.max(wait.ms);
        self.longest_ms = self.longest_ms.max(wait.ms);
        // A wait is told when it becomes long, and again when it ends: time counts once.
        if wait.ended {
            self.n_acquired += 1;
            self.waited_ms += wait.ms;
            of_lock.waited_ms += wait.ms;
        } else {
            self.n_waits += 1;
            of_lock.n += 1;
        }
    }

    pub(super) fn merge(&mut self, other: Locks) {
        self.n_waits += other.n_waits;
        self.n_acquired += other.n_acquired;
        self.n_deadlocks += other.n_deadlocks;
        self.waited_ms += other.waited_ms;
        self.longest_ms = self.longest_ms.max(other.longest_ms);
        self.by_lock.merge(other.by_lock);
    }
}

/// What does not differ between two waits for the same thing.
fn object(on: &str) -> String {
    let words: Vec<&str> = on.split(' ').collect();
    match words.as_slice() {
        ["transaction" | "virtual", ..] => "transaction".to_owned(),
        ["tuple", _, "of", "relation", oid, ..] => format!("tuple of relation {oid}"),
        ["relation", oid, ..] => format!("relation {oid}"),
        ["advisory", ..] => head(on, 80).to_owned(),
        _ => head(on, 60).to_owned(),
    }
}

impl Merge for LockTally {
    fn merge(&mut self, other: LockTally) {
        self.n += other.n;
        self.waited_ms += other.waited_ms;
        self.longest_ms = self.longest_ms.max(other.longest_ms);
        if self.mode.is_empty() {
            self.mode = other.mode;
            self.on = other.on;
        }
        if self.statement.is_empty() {
            self.statement = other.statement;
        }
    }

    fn weight(&self) -> f64 {
        self.waited_ms.max(self.longest_ms)
    }
}

/// Temporary files of one statement.
#[derive(Debug, Default)]
pub(crate) struct TempTally {
    pub(crate) n: u64,
    pub(crate) bytes: f64,
    pub(crate) statement: String,
}

impl TempTally {
    pub(super) fn add(&mut self, record: &Record<'_>, bytes: f64) {
        self.n += 1;
        self.bytes += bytes;
        if self.n == 1 {
            self.statement = kept(head(record.statement, SAMPLE_MAX));
        }
    }
}

impl Merge for TempTally {
    fn merge(&mut self, other: TempTally) {
        if self.n == 0 {
            self.statement = other.statement;
        }
        self.n += other.n;
        self.bytes += other.bytes;
    }

    fn weight(&self) -> f64 {
        self.bytes
    }
}

/// What autovacuum did.
#[derive(Debug, Default)]
pub(crate) struct Vacuums {
    pub(crate) n_vacuums: u64,
    pub(crate) n_analyzes: u64,
    pub(crate) n_cancelled: u64,
    pub(crate) elapsed_s: f64,
    pub(crate) tables: Bounded<VacuumTally>,
}

/// What it did to one table.
#[derive(Debug, Default)]
pub(crate) struct VacuumTally {
    pub(crate) n_vacuums: u64,
    pub(crate) n_analyzes: u64,
    pub(crate) elapsed_s: f64,
    pub(crate) removed: f64,
    pub(crate) dead_kept_max: f64,
}

impl Vacuums {
    pub(super) fn add(&mut self, run: &Vacuum<'_>) {
        let (vacuums, analyzes) = (u64::from(!run.analyze), u64::from(run.analyze));
        self.n_vacuums += vacuums;
        self.n_analyzes += analyzes;
        self.elapsed_s += run.elapsed_s;
        self.tables.entry(run.table.as_bytes()).merge(VacuumTally {
            n_vacuums: vacuums,
            n_analyzes: analyzes,
            elapsed_s: run.elapsed_s,
            removed: run.removed,
            dead_kept_max: run.dead_kept,
        });
    }

    pub(super) fn merge(&mut self, other: Vacuums) {
        self.n_vacuums += other.n_vacuums;
        self.n_analyzes += other.n_analyzes;
        self.n_cancelled += other.n_cancelled;
        self.elapsed_s += other.elapsed_s;
        self.tables.merge(other.tables);
    }
}

impl Merge for VacuumTally {
    fn merge(&mut self, other: VacuumTally) {
        self.n_vacuums += other.n_vacuums;
        self.n_analyzes += other.n_analyzes;
        self.elapsed_s += other.elapsed_s;
        self.removed += other.removed;
        self.dead_kept_max = self.dead_kept_max.max(other.dead_kept_max);
    }

    fn weight(&self) -> f64 {
        self.elapsed_s
    }
}

pub(super) fn add_checkpoint(all: &mut LogCheckpoints, done: &Checkpoint) {
    let one = LogCheckpoints {
        n: 1,
        buffers: done.buffers,
        write_s: done.write_s,
        sync_s: done.sync_s,
        longest_s: done.total_s,
        longest_sync_s: done.sync_s,
        wal_added: done.wal_added,
        wal_removed: done.wal_removed,
        wal_recycled: done.wal_recycled,
        ..LogCheckpoints::default()
    };
    merge_checkpoints(all, &one);
}

pub(super) fn merge_checkpoints(all: &mut LogCheckpoints, other: &LogCheckpoints) {
    all.n += other.n;
    all.n_too_frequent += other.n_too_frequent;
    all.buffers += other.buffers;
    all.write_s += other.write_s;
    all.sync_s += other.sync_s;
    all.longest_s = all.longest_s.max(other.longest_s);
    all.longest_sync_s = all.longest_sync_s.max(other.longest_sync_s);
    all.wal_added += other.wal_added;
    all.wal_removed += other.wal_removed;
    all.wal_recycled += other.wal_recycled;
}

pub(super) fn bucket(at_s: i64) -> LogBucket {
    LogBucket::new(Timestamp::from_second(at_s).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// Puts a value of at least 0 into a histogram that is made with the first.
pub(super) fn record(histogram: &mut Option<Histogram<u32>>, value: f64) {
    if histogram.is_none() {
        *histogram = Histogram::new(DIGITS).ok(); // grows by itself
    }
    if let Some(histogram) = histogram {
        // It grows as needed, so that nothing can be out of range.
        let _ = histogram.record(value.max(0.0).round() as u64);
    }
}

pub(super) fn merge_histogram(into: &mut Option<Histogram<u32>>, other: Option<Histogram<u32>>) {
    match (into.as_mut(), other) {
        (Some(own), Some(other)) => {
            // Both grow by themselves, so that nothing can be out of range.
            let _ = own.add(other);
        }
        (None, other) => *into = other,
        (Some(_), None) => {}
    }
}
