//! What seven days of history of a busy server take: a generated load, replayed through the
//! writer of `pgward watch`, file by file as it would have been written.
//!
//! `cargo bench -p pgward-store --bench history -- [DAYS] [SESSIONS AT WORK] [STATEMENTS]`
#![allow(clippy::print_stdout, reason = "a measurement prints its table")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{SERVER, at, session, statement};
use pgward_model::prelude::*;
use pgward_store::history::{Collector, History, Keep, Writer};
use pgward_store::series::SERIES;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;

/// A load with a daily shape: every statement has its rate and its times, which vary by the
/// second as those of a live server do; the heaviest runs a thousand times as often as the
/// rarest.
struct Load {
    random: SmallRng,
    statements: Vec<StatementCounters>,
    rates: Vec<(f64, f64)>,
    texts: Vec<String>,
    database: DatabaseCounters,
    tables: Vec<TableCounters>,
    n_sessions: usize,
    /// Of sessions that run long statements: until when, and which.
    long: Vec<(i64, usize)>,
}

const TABLES: usize = 60;
const CONNECTED: usize = 100;

impl Load {
    fn new(n_sessions: usize, n_statements: usize) -> Load {
        let mut random = SmallRng::seed_from_u64(4711);
        let texts: Vec<String> = (0..n_statements)
            .map(|i| {
                format!(
                    "SELECT c{i}, name, price, stock FROM shop.table_{} t JOIN shop.customers c ON \
                     c.id = t.customer_id WHERE t.id = $1 AND t.state_{i} = $2 ORDER BY t.at LIMIT $3",
                    i % TABLES
                )
            })
            .collect();
        let rates = (0..n_statements)
            .map(|i| (200.0 / (1.0 + i as f64), random.random_range(0.05..40.0)))
            .collect();
        let counters = |(i, text): (usize, &String)| statement(i as i64 + 1, text, 0, 0.0);
        Load {
            statements: texts.iter().enumerate().map(counters).collect(),
            rates,
            texts,
            database: common::sample(0).database.expect("a sample has counters"),
            tables: (0..TABLES)
                .map(|i| TableCounters {
                    oid: 16_384 + i as u32,
                    relation: Relation::new("shop", format!("table_{i}")),
                    ..common::table(100_000, 0)
                })
                .collect(),
            n_sessions,
            long: Vec::new(),
            random,
        }
    }

    /// The second `s`.
    fn sample(&mut self, s: i64) -> Sample {
        let hour = (s % 86_400) as f64 / 3600.0;
        let day_shape = 0.6 + 0.4 * ((hour - 14.0) * std::f64::consts::PI / 12.0).cos();
        self.count(day_shape);
        let jitter = self.random.random_range(0..4_000);
        let moment = at(s) + std::time::Duration::from_micros(jitter);
        let counted = s % 10 == 0;
        Sample {
            at: moment,
            sessions: self.sessions(s, day_shape),
            database: Some(self.database),
            statements: counted.then(|| self.statements.clone()),
            tables: counted.then(|| self.tables.clone()),
            probe: Some(NetworkProbe {
                tried: 1,
                tcp_ms: Some(self.random.random_range(0.08..0.16)),
                connect_ms: Some(self.random.random_range(2.0..4.0)),
                round_trip_ms: Some(self.random.random_range(0.1..0.3)),
                ..NetworkProbe::default()
            }),
            wal: counted.then(|| WalCounters {
                lsn: format!("{:X}/{:X}", s / 4096, s * 1_048_576 % 4_294_967_296),
                lsn_bytes: s as f64 * 1_048_576.0,
                archived: s / 16,
                archive_failed: 0,
                last_archived: Some(at(s - s % 16)),
                ..WalCounters::default()
            }),
            own_ms: self.random.random_range(4.0..9.0),
            ..Sample::default()
        }
    }

    fn count(&mut self, day_shape: f64) {
        let mut calls_all = 0;
        for (statement, (rate, ms)) in self.statements.iter_mut().zip(&self.rates) {
            let noise = self.random.random_range(0.5..1.5);
            let mean = rate * day_shape * noise;
            let calls = mean.floor() as i64 + i64::from(self.random.random_bool(mean.fract()));
            statement.calls += calls;
            let each_ms = ms * self.random.random_range(0.7..1.3);
            statement.total_ms += calls as f64 * each_ms;
            statement.squares_ms2 += calls as f64 * each_ms * each_ms;
            statement.rows += calls * self.random.random_range(1..5);
            statement.blks += calls * self.random.random_range(4..12);
            statement.blks_read += i64::from(self.random.random_bool(0.1)) * calls;
            calls_all += calls;
        }
        let database = &mut self.database;
        database.xact_commit += calls_all;
        database.blks_hit += 8 * calls_all;
        database.blks_read += calls_all / 50;
        database.tup_returned += 4 * calls_all;
        database.tup_updated += calls_all / 5;
        for table in &mut self.tables {
            table.idx_scans += self.random.random_range(0..200);
            table.inserted += self.random.random_range(0..5);
            table.updated += self.random.random_range(0..20);
            table.n_live = 100_000 + table.inserted;
            table.n_dead = table.updated % 20_000;
        }
    }

    /// Short statements are another in every second; one in five sessions at work runs a long
    /// one, for a minute on the average.
    fn sessions(&mut self, s: i64, day_shape: f64) -> Vec<SessionSample> {
        let n_busy = (self.n_sessions as f64 * day_shape * 1.6).round() as usize;
        self.long.retain(|(until, _)| *until > s);
        while self.long.len() < n_busy / 5 {
            let statement = self.random.random_range(0..self.texts.len());
            self.long.push((s + self.random.random_range(5..120), statement));
        }
        let mut sessions = Vec::with_capacity(CONNECTED);
        for slot in 0..CONNECTED {
            let pid = 20_000 + slot as Pid;
            let (state, began_ms, statement) = match self.long.get(slot) {
                Some((until, statement)) => ("active", (until - 120 - s) * 1000, *statement),
                None if slot < n_busy => {
                    let rare = self.random.random_range(0.0..1.0_f64).powi(3);
                    let statement = (rare * self.texts.len() as f64) as usize;
                    ("active", -self.random.random_range(0..400), statement)
                }
                None => ("idle", -self.random.random_range(0..60_000), slot),
            };
            let mut one = session(pid, s, state, &self.texts[statement % self.texts.len()]);
            let began = at(s) + jiff::SignedDuration::from_millis(began_ms);
            one.query_id = (statement % self.texts.len()) as i64 + 1;
            (one.query_start, one.state_change) = (Some(began), Some(began));
            one.xact_start = (state != "idle").then_some(began);
            one.application = ["web", "worker", "reports"][slot % 3].to_owned();
            one.client = format!("10.0.0.{}", slot % 12);
            let waits = [("", ""), ("IO", "DataFileRead"), ("LWLock", "WALWrite"), ("", "")];
            let (kind, event) = waits[self.random.random_range(0..4)];
            (one.wait_type, one.wait_event) = match state {
                "idle" => ("Client".to_owned(), "ClientRead".to_owned()),
                _ => (kind.to_owned(), event.to_owned()),
            };
            sessions.push(one);
        }
        sessions
    }
}

fn main() {
    let arguments: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let given = |i: usize, default: usize| arguments.get(i).copied().unwrap_or(default);
    let (days, n_sessions, n_statements) = (given(0, 7), given(1, 8), given(2, 500));
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let history = History::open(dir.path()).expect("it can be written");
    let mut writer = Writer::new(history, SERVER, Keep { days: 400, bytes: u64::MAX });
    let mut collector = Collector::default();
    let mut load = Load::new(n_sessions, n_statements);
    let (mut n_busy, mut batch_bytes) = (0_u64, 0_u64);
    for s in 0..days as i64 * 86_400 {
        let sample = load.sample(s);
        n_busy += sample.sessions.iter().filter(|s| s.state != "idle").count() as u64;
        if let Some(batch) = collector.note(&sample) {
            batch_bytes += batch.bytes() as u64;
            writer.write(&batch, batch.at).expect("the disk has room");
            writer.tidy(batch.at).expect("the disk has room");
        }
    }
    let end = at(days as i64 * 86_400 + 7200);
    writer.tidy(end).expect("the disk has room");
    print(&writer.into_history(), days, n_busy, batch_bytes);
}

fn print(history: &History, days: usize, n_busy: u64, batch_bytes: u64) {
    let mut bytes: BTreeMap<&str, (u64, usize)> = BTreeMap::new();
    for series in SERIES {
        let files = history.snapshot(series).expect("it reads").files;
        bytes.insert(series.id, (files.iter().map(|f| f.bytes).sum(), files.len()));
    }
    let total: u64 = bytes.values().map(|(b, _)| b).sum();
    let mb = |b: u64| b as f64 / 1e6;
    println!("{days} days, {:.1} sessions at work each second on the average", {
        n_busy as f64 / (days as f64 * 86_400.0)
    });
    println!("{:.0} MB of rows noted\n", mb(batch_bytes));
    println!("| series | files | MB | a week |");
    println!("|---|--:|--:|--:|");
    for (id, (b, n)) in bytes.iter().filter(|(_, (b, _))| *b > 0) {
        println!("| {id} | {n} | {:.1} | {:.1} |", mb(*b), mb(*b) * 7.0 / days as f64);
    }
    println!("| all | | {:.1} | {:.1} |", mb(total), mb(total) * 7.0 / days as f64);
}
