//! How quiet are the minds on healthy days? Days of one-second samples of a shop go through every
//! detector as in the loop: traffic with a daily shape and a noon rush, jitter that hangs together,
//! checkpoints, vacuum, an hourly batch job, reports, deploys, a backup, clients that connect
//! again, short waits, failed logins and errors now and then, a probe that is lost. Prints each
//! incident; there should be none.
//!
//! `cargo bench -p pgward-incident --bench healthy_day [-- DAYS]`
#![allow(clippy::print_stdout)] // its table

use pgward_incident::{course, detectors};
use pgward_model::prelude::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::f64::consts::TAU;
use std::sync::Arc;

/// As the loop keeps them (`pgward_watch`).
const WINDOW_S: f64 = 120.0;
const STATEMENTS_EVERY_S: i64 = 2;
const DAY_S: i64 = 86_400;
/// 2026-11-23, a Monday.
const MONDAY_S: i64 = 1_795_392_000;
/// Transactions a second at the busiest hour.
const BUSIEST: f64 = 400.0;

fn main() {
    let days = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(1);
    let (mut n, mut notices) = (0, 0);
    for day in 0..days {
        let (incidents, noticed) = watched(Shop::new(day));
        n += incidents.len();
        notices += noticed;
        incidents.iter().for_each(|line| println!("day {day}  {line}"));
    }
    println!("{days} healthy days of {DAY_S} samples: {n} incidents, {notices} notices");
    if n > days as usize {
        std::process::exit(1);
    }
}

/// What the loop would have opened, and how often it would have noted something.
fn watched(mut shop: Shop) -> (Vec<String>, usize) {
    let (mut incidents, mut notices) = (Vec::new(), 0);
    let mut window = Window::default();
    let mut quiet_until = Timestamp::MIN;
    for second in 0..DAY_S {
        let sample = shop.second(second);
        let at = sample.at;
        window.samples.push(sample);
        window.samples.retain(|s| seconds_between(s.at, at) <= WINDOW_S);
        window.baseline_until = course::baseline_until(at);
        if at < quiet_until {
            continue;
        }
        let symptoms = detectors::detect(&window);
        if let Some(harm) = symptoms.iter().find(|s| s.weight == Weight::Harm && s.is_present(at)) {
            let all: Vec<&str> = symptoms.iter().map(|s| s.detector.as_str()).collect();
            let time = at.strftime("%H:%M:%S");
            incidents.push(format!("{time}  {}: {}", all.join(", "), harm.title));
            // It would stay open for five minutes.
            quiet_until = at.checked_add(jiff::SignedDuration::from_mins(5)).unwrap_or(at);
            window.samples.clear();
        } else if !symptoms.is_empty() {
            notices += 1;
        }
    }
    (incidents, notices)
}

/// A statement of the shop.
struct Kind {
    text: &'static str,
    /// Calls per transaction.
    share: f64,
    ms: f64,
    blks: f64,
    rows: f64,
}

const KINDS: &[Kind] = &[
    kind("SELECT * FROM items WHERE id = $1", 1.4, 0.05, 4.0, 1.0),
    kind("SELECT * FROM items WHERE shelf = $1 LIMIT $2", 0.5, 0.8, 40.0, 20.0),
    kind("SELECT * FROM carts WHERE customer = $1", 0.6, 0.06, 5.0, 2.0),
    kind("UPDATE carts SET n = n + $1 WHERE id = $2", 0.2, 0.2, 12.0, 1.0),
    kind("INSERT INTO orders (customer, cents) VALUES ($1, $2)", 0.05, 0.3, 15.0, 1.0),
    kind("SELECT count(*) FROM orders WHERE day = $1", 0.004, 45.0, 9_000.0, 1.0),
    kind("SELECT name FROM customers WHERE mail = $1", 0.1, 0.07, 4.0, 1.0),
    kind("DELETE FROM carts WHERE changed < $1", 0.0005, 9.0, 700.0, 40.0),
    kind("SELECT * FROM items WHERE words @@ to_tsquery($1)", 0.02, 12.0, 900.0, 15.0),
    kind("UPDATE items SET stock = stock - $1 WHERE id = $2", 0.06, 0.25, 10.0, 1.0),
];

const fn kind(text: &'static str, share: f64, ms: f64, blks: f64, rows: f64) -> Kind {
    Kind { text, share, ms, blks, rows }
}

/// The hourly job and the report of the books.
const BATCH: usize = KINDS.len();
const REPORT: usize = KINDS.len() + 1;

/// The shop at one second of its day: counters that only grow.
struct Shop {
    random: SmallRng,
    start_s: i64,
    /// Traffic and speed wander by themselves, as logarithms.
    traffic: f64,
    slowness: f64,
    counters: Vec<StatementCounters>,
    database: DatabaseCounters,
    tables: Vec<TableCounters>,
    deploys: i64,
}

impl Shop {
    fn new(day: i64) -> Shop {
        let texts = KINDS.iter().map(|k| k.text).chain([
            "UPDATE orders SET state = $1 WHERE id BETWEEN $2 AND $3",
            "SELECT day, sum(cents) FROM orders GROUP BY day",
        ]);
        let counters = texts.enumerate().map(|(i, text)| StatementCounters {
            query_id: i as i64 + 1,
            role: "site".to_owned(),
            text: Arc::from(text),
            calls: 0,
            total_ms: 0.0,
            rows: 0,
            blks: 0,
            blks_read: 0,
            squares_ms2: 0.0,
        });
        let tables = ["items", "carts", "orders", "customers"];
        let table = |(i, name): (usize, &&str)| TableCounters {
            n_live: 100_000,
            planner_rows: 100_000.0,
            ..TableCounters::new(16_384 + i as u32, Relation::new("public", *name))
        };
        Shop {
            random: SmallRng::seed_from_u64(day as u64),
            start_s: MONDAY_S + day * DAY_S,
            traffic: 0.0,
            slowness: 0.0,
            counters: counters.collect(),
            database: DatabaseCounters {
                xact_commit: 0,
                xact_rollback: 0,
                blks_read: 0,
                blks_hit: 0,
                tup_returned: 0,
                tup_updated: 0,
                tup_deleted: 0,
                temp_bytes: 0,
                deadlocks: 0,
                checksum_failures: Some(0),
                n_backends: 20,
                max_connections: 200,
                open_connections: Some(197),
                blk_read_ms: Some(0.0),
            },
            tables: tables.iter().enumerate().map(table).collect(),
            deploys: 0,
        }
    }

    /// A standard normal number (Box and Muller).
    fn normal(&mut self) -> f64 {
        let (u, v): (f64, f64) = (self.random.random(), self.random.random());
        (-2.0 * u.max(1e-12).ln()).sqrt() * (TAU * v).cos()
    }

    /// A whole number of that mean: roughly Poisson.
    fn count(&mut self, mean: f64) -> i64 {
        (mean + mean.sqrt() * self.normal() + self.random.random::<f64>()).max(0.0) as i64
    }

    fn happens(&mut self, once_in_s: f64) -> bool {
        self.random.random::<f64>() < 1.0 / once_in_s
    }

    fn second(&mut self, second: i64) -> Sample {
        let hour = second as f64 / 3600.0;
        self.traffic = 0.98 * self.traffic + 0.03 * self.normal();
        self.slowness = 0.95 * self.slowness + 0.05 * self.normal();
        let shape = 0.06 + 0.94 * (0.5 - 0.5 * (TAU * (hour - 3.0) / 24.0).cos()).powi(2);
        let rush = if (12.0..12.5).contains(&hour) { 1.5 } else { 1.0 };
        // A new process of the site takes over: nobody asks for two seconds.
        let restart = second % 43_200 == 15_000 || second % 43_200 == 15_001;
        let load = if restart { 0.02 } else { shape * rush * self.traffic.exp() };
        let checkpoint = second % 300 < 20;
        let (batch, report) = (second % 3600 < 240, (9_000..9_090).contains(&(second % 14_400)));
        let backup = (7_200..9_000).contains(&second);
        let busy = 1.0
            + 0.5 * load
            + f64::from(u8::from(checkpoint)) * 0.8
            + f64::from(u8::from(batch)) * 0.5
            + f64::from(u8::from(report || backup)) * 0.4;
        let slow = busy * self.slowness.exp();
        self.requests(BUSIEST * load, slow, batch, report && second % 30 == 0);
        let n_sessions = 8 + (40.0 * load) as i64;
        self.database.n_backends = n_sessions + 5;
        let at = Timestamp::from_second(self.start_s + second).unwrap_or(Timestamp::MIN);
        let mut sample = Sample {
            at,
            sessions: self.sessions(at, n_sessions, load, batch, report || backup),
            database: Some(self.database),
            probe: Some(self.probe(slow)),
            own_ms: 4.0,
            ..Sample::default()
        };
        if second % STATEMENTS_EVERY_S == 0 {
            sample.statements = Some(self.counters.clone());
            sample.tables = Some(self.tables.clone());
        }
        self.mishaps(&mut sample);
        if second % 21_600 == 39_600 % 21_600 {
            self.deploy(&mut sample);
        }
        sample
    }

    /// What clients ask for in one second.
    fn requests(&mut self, per_s: f64, slow: f64, batch: bool, report: bool) {
        let n = self.count(per_s);
        self.database.xact_commit += n;
        for (i, kind) in KINDS.iter().enumerate() {
            let calls = self.count(n as f64 * kind.share);
            let cold = if self.happens(200.0) { 4.0 } else { 1.0 };
            self.called(i, calls, kind.ms * slow * cold, kind.blks, kind.rows);
        }
        if batch {
            self.called(BATCH, 5, 60.0 * slow, 2_000.0, 500.0);
            self.database.xact_commit += 5;
        }
        if report {
            self.called(REPORT, 1, 20_000.0 * slow, 90_000.0, 365.0);
            self.database.xact_commit += 1;
        }
        for table in &mut self.tables {
            table.idx_scans += n;
            table.updated += n / 10;
            table.written_since_analyze = (table.written_since_analyze + n / 10) % 10_000;
            table.n_dead = (table.n_dead + n / 10) % 20_000;
        }
    }

    fn called(&mut self, i: usize, calls: i64, ms: f64, blks: f64, rows: f64) {
        let noise = (0.15 * self.normal()).exp();
        let (ms, n) = (ms * noise, calls as f64);
        let Some(c) = self.counters.get_mut(i) else { return };
        c.calls += calls;
        c.total_ms += ms * n;
        c.squares_ms2 += 2.0 * ms * ms * n;
        c.rows += (rows * n) as i64;
        c.blks += (blks * n) as i64;
        self.database.blks_hit += (blks * n) as i64;
        self.database.tup_returned += (rows * n) as i64;
    }

    fn sessions(
        &mut self,
        at: Timestamp,
        n: i64,
        load: f64,
        batch: bool,
        long: bool,
    ) -> Vec<SessionSample> {
        let mut all: Vec<SessionSample> = Vec::new();
        for pid in 100..100 + n {
            let active = self.random.random::<f64>() < 0.3 * load;
            let lasted = if active { 0.02 * self.random.random::<f64>() } else { 1.0 };
            let state = if active { "active" } else { "idle" };
            all.push(session(pid as Pid, "site", "shop", state, at, lasted, KINDS[0].text));
        }
        if batch {
            let text = "UPDATE orders SET state = $1 WHERE id BETWEEN $2 AND $3";
            all.push(session(50, "batch", "nightly", "active", at, 0.05, text));
        }
        if long {
            let lasts = (at.as_second() % 14_400 % 90) as f64;
            let text = "SELECT day, sum(cents) FROM orders GROUP BY day";
            all.push(session(51, "books", "report", "active", at, lasts, text));
        }
        // Two who want the same row: one waits for some milliseconds.
        if self.happens(20.0)
            && let [first, second, ..] = all.as_mut_slice()
        {
            first.state = "idle in transaction".to_owned();
            second.state = "active".to_owned();
            second.query_start = at.checked_sub(jiff::SignedDuration::from_millis(30)).ok();
            (second.wait_type, second.blocked_by) = ("Lock".to_owned(), vec![first.pid]);
            second.wait_event = "transactionid".to_owned();
        }
        all
    }

    fn probe(&mut self, slow: f64) -> NetworkProbe {
        let lost = self.happens(7_200.0);
        let jitter = (0.4 * self.normal()).exp();
        NetworkProbe {
            tried: 1,
            failed: u32::from(lost),
            refused: 0,
            tcp_ms: (!lost).then_some(0.3 * jitter),
            connect_ms: (!lost).then_some(4.0 * slow * jitter),
            round_trip_ms: Some(0.4 * jitter),
            ..NetworkProbe::default()
        }
    }

    /// What goes wrong every day.
    fn mishaps(&mut self, sample: &mut Sample) {
        let errors = [
            (40.0, "ERROR", "23505", "duplicate key value violates unique constraint \"mail\""),
            (600.0, "ERROR", "57014", "canceling statement due to statement timeout"),
            (900.0, "FATAL", "28P01", "password authentication failed for user \"site\""),
            (300.0, "LOG", "08006", "could not receive data from client: Connection reset by peer"),
            (3_600.0, "ERROR", "40P01", "deadlock detected"),
            (7_200.0, "ERROR", "42P01", "relation \"ordres\" does not exist"),
        ];
        for (once_in_s, severity, sqlstate, message) in errors {
            if self.happens(once_in_s) {
                sample.log.push(line(sample.at, severity, sqlstate, message));
                self.database.xact_rollback += i64::from(severity == "ERROR");
                self.database.deadlocks += i64::from(sqlstate == "40P01");
            }
        }
        if let Some(database) = &mut sample.database {
            (database.xact_rollback, database.deadlocks) =
                (self.database.xact_rollback, self.database.deadlocks);
        }
    }

    fn deploy(&mut self, sample: &mut Sample) {
        self.deploys += 1;
        let name = format!("features_{}", self.deploys);
        sample.ddl.push(DdlEvent {
            at: sample.at,
            pid: 60,
            role: "deploy".to_owned(),
            application: "psql".to_owned(),
            client: "10.0.0.9".to_owned(),
            command: "CREATE TABLE".to_owned(),
            object_kind: "table".to_owned(),
            identity: format!("public.{name}"),
            relation: Some(Relation::new("public", name.clone())),
            dropped: false,
            old_definition: None,
            xid: Some(750),
            lsn: None,
            statement: format!("CREATE TABLE {name} (id bigint PRIMARY KEY)"),
            seen_by: DdlWitness::EventTrigger,
        });
        let oid = 17_000 + self.deploys as u32;
        self.tables.push(TableCounters::new(oid, Relation::new("public", name)));
    }
}

fn session(
    pid: Pid,
    role: &str,
    application: &str,
    state: &str,
    at: Timestamp,
    lasted_s: f64,
    query: &str,
) -> SessionSample {
    let began = at.checked_sub(jiff::SignedDuration::from_secs_f64(lasted_s)).ok();
    let is_active = state == "active";
    SessionSample {
        pid,
        role: role.to_owned(),
        application: application.to_owned(),
        client: "10.0.0.1".to_owned(),
        database: "shop".to_owned(),
        backend_start: Timestamp::from_second(MONDAY_S).unwrap_or(Timestamp::MIN),
        xact_start: began.filter(|_| is_active),
        query_start: began,
        state_change: began,
        state: state.to_owned(),
        wait_type: if is_active { String::new() } else { "Client".to_owned() },
        wait_event: if is_active { String::new() } else { "ClientRead".to_owned() },
        xid: None,
        query: query.to_owned(),
        query_id: 1,
        blocked_by: Vec::new(),
        waits_for: None,
        holds: Vec::new(),
    }
}

fn line(at: Timestamp, severity: &str, sqlstate: &str, message: &str) -> LogEntry {
    LogEntry {
        at,
        pid: 99,
        role: "site".to_owned(),
        database: "shop".to_owned(),
        application: "shop".to_owned(),
        client: "10.0.0.1:4000".to_owned(),
        severity: severity.to_owned(),
        sqlstate: sqlstate.to_owned(),
        class: String::new(),
        message: message.to_owned(),
        detail: String::new(),
        context: String::new(),
        statement: String::new(),
    }
}
