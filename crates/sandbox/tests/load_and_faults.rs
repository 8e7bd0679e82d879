//! Load, ledger and faults against a real server.

#![allow(clippy::unwrap_used)] // A test fails by a panic.

#[path = "../../pg/tests/common/installation.rs"]
mod installation;

use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_sandbox::error::Error;
use pgward_sandbox::faults::{self, FaultCx, Params, Running};
use pgward_sandbox::ledger::{self, Ledger};
use pgward_sandbox::load::{Load, SessionSpec};
use pgward_sandbox::marker::{self, Marker};
use pgward_sandbox::proxy::Proxy;
use std::sync::Arc;
use std::time::Duration;

struct Stage {
    server: PrivateServer,
    marker: Marker,
    ledger: Arc<Ledger>,
    _dir: tempfile::TempDir,
}

fn stage() -> Stage {
    let options = ServerOptions::new(installation::installation())
        .set("shared_buffers", "4MB")
        .set("fsync", "off");
    let server = PrivateServer::create(&options).unwrap();
    let session = Session::connect(&server.target(), Purpose::Private).unwrap();
    session.simple("CREATE DATABASE shop").unwrap();
    session.simple("CREATE ROLE site LOGIN PASSWORD 'site'").unwrap();
    let session = Session::connect(&shop(&server), Purpose::Private).unwrap();
    let marker = marker::mark(&session).unwrap();
    session
        .simple(
            "CREATE TABLE accounts (name text DEFAULT 'some one', id bigint PRIMARY KEY, \
                                    stamp bigint NOT NULL, note text); \
             INSERT INTO accounts SELECT 'x', g, 0, repeat('n', 100) \
             FROM generate_series(1, 100000) g; \
             GRANT SELECT, UPDATE ON accounts TO site; \
             DELETE FROM accounts WHERE id % 7 = 0; \
             UPDATE accounts SET name = NULL WHERE id % 11 = 0",
        )
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(&dir.path().join("ledger")).unwrap());
    Stage { server, marker, ledger, _dir: dir }
}

fn shop(server: &PrivateServer) -> Target {
    server.target().with_database("shop")
}

fn site(server: &PrivateServer) -> Target {
    server.tcp_target("site", "site").with_database("shop")
}

fn spec(name: &str, clients: u32, every_ms: u64, sql: &str) -> SessionSpec {
    SessionSpec {
        name: name.to_owned(),
        application: name.to_owned(),
        clients,
        every: Duration::from_millis(every_ms),
        sql: sql.to_owned(),
        ledger: None,
        reconnect_every: None,
        statement_timeout: None,
    }
}

fn writer(clients: u32, every_ms: u64) -> SessionSpec {
    let sql = "UPDATE accounts SET stamp = :stamp WHERE id = 7 * :mine(1, 9000) + 1 \
               RETURNING id, stamp";
    SessionSpec {
        ledger: Some("accounts(id,stamp)".parse().unwrap()),
        ..spec("writer", clients, every_ms, sql)
    }
}

fn reader(clients: u32, every_ms: u64) -> SessionSpec {
    spec("reader", clients, every_ms, "SELECT note FROM accounts WHERE id = :zipf(1, 100000)")
}

fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let done = || Ok::<_, ()>(ready().then_some(()));
    let within = Duration::from_secs(120);
    let met = clock::poll(within, Duration::from_millis(20), done).unwrap();
    assert!(met.is_some(), "not within 120 s: {what}");
}

fn params(list: &[(&str, &str)]) -> Params {
    list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn harm_is_seen_from_its_first_request_to_its_last() {
    let stage = stage();
    let target = site(&stage.server);
    let specs = [writer(4, 10), reader(4, 10)];
    let load = Load::start(&target, &specs, 1, Arc::clone(&stage.ledger)).unwrap();
    until("two whole seconds of load", || load.report(Duration::from_secs(2)).n_total > 50);
    let baseline = load.take_baseline(Duration::from_secs(2));
    assert!(baseline.per_s() > 0.0, "{baseline:?}");
    let admin = Session::connect(&shop(&stage.server), Purpose::Private).unwrap();
    let before = clock::now();
    assert_eq!(load.first_harmed(before, &baseline), None, "{:?}", load.harmed(before, &baseline));
    admin.simple("BEGIN").unwrap();
    admin.simple("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE").unwrap();
    let locked = clock::now();
    until("all clients hang", || {
        let (harmed, total) = load.harmed_now(Duration::from_secs(1));
        total >= 8 && harmed >= 8
    });
    let first = load.first_harmed(locked, &baseline).unwrap();
    assert!(first >= locked && first < clock::now());
    admin.simple("ROLLBACK").unwrap();
    until("nobody is harmed", || {
        load.last_harmed().is_some_and(|at| clock::now().duration_since(at).as_secs_f64() > 1.5)
            && load.harmed_now(Duration::from_secs(1)).0 == 0
    });
    let (harmed, total) = load.impact(before, clock::now());
    assert!(harmed >= 8 && total > harmed, "{harmed} of {total}");
    assert!(load.per_second().iter().any(|p| p.harmed > 0.0));
    let seen: Vec<String> = admin
        .query_one(
            "SELECT array_agg(DISTINCT query) FROM pg_stat_activity \
             WHERE application_name = 'reader' AND query <> ''",
            &[],
        )
        .unwrap();
    assert_eq!(seen, ["SELECT note FROM accounts WHERE id = $1"]);
    load.stop();
    let per_s = load.report(Duration::from_secs(60));
    let check = ledger::verify(&stage.ledger, &shop(&stage.server)).unwrap();
    assert!(check.n_acknowledged > 20, "{check:?} {per_s:?}");
    assert_eq!((check.n_lost, check.n_duplicates), (0, 0), "{check:?}");
}

#[test]
fn what_is_lost_is_named() {
    let stage = stage();
    let at = clock::now();
    let spec = "accounts(id,stamp)".parse().unwrap();
    for (key, stamp) in [("1", 5), ("2", 6), ("3", 7), ("3", 8), ("7", 9)] {
        stage.ledger.acknowledge(&spec, key, stamp, at).unwrap();
    }
    let admin = Session::connect(&shop(&stage.server), Purpose::Private).unwrap();
    admin
        .simple(
            "ALTER TABLE accounts DROP CONSTRAINT accounts_pkey; \
             UPDATE accounts SET stamp = 5 WHERE id = 1; \
             UPDATE accounts SET stamp = 99 WHERE id = 2; \
             UPDATE accounts SET stamp = 7 WHERE id = 3; \
             INSERT INTO accounts SELECT * FROM accounts WHERE id = 2",
        )
        .unwrap();
    let check = ledger::verify(&stage.ledger, &shop(&stage.server)).unwrap();
    assert_eq!((check.n_acknowledged, check.n_keys), (5, 4));
    assert_eq!(check.lost, ["accounts 3", "accounts 7"]);
    assert_eq!(check.duplicates, ["accounts 2"]);
    admin.simple("DROP TABLE accounts").unwrap();
    assert_eq!(ledger::verify(&stage.ledger, &shop(&stage.server)).unwrap().n_lost, 4);
}

#[test]
fn a_ledger_that_cannot_be_kept_stops_the_load() {
    let stage = stage();
    let full = Arc::new(Ledger::open(std::path::Path::new("/dev/full")).unwrap());
    let load = Load::start(&site(&stage.server), &[writer(2, 1)], 1, full).unwrap();
    until("the load has stopped", || load.is_broken());
    assert!(matches!(load.take_error(), Some(Error::Ledger { .. })));
}

#[test]
fn a_lost_server_is_an_outcome() {
    let stage = stage();
    let specs = [writer(2, 5), reader(2, 5)];
    let target = site(&stage.server);
    let load = Load::start(&target, &specs, 1, Arc::clone(&stage.ledger)).unwrap();
    until("requests", || load.report(Duration::from_secs(1)).n_total > 100);
    stage.server.halt();
    until("failures", || {
        let now = clock::now();
        load.report_between(now - jiff::SignedDuration::from_secs(5), now).n_failed > 8
    });
    stage.server.start_again().unwrap();
    until("requests again", || {
        let last = load.report(Duration::from_secs(1));
        last.n_total > 100 && last.n_failed == 0
    });
    load.stop();
    let check = ledger::verify(&stage.ledger, &shop(&stage.server)).unwrap();
    assert!(check.n_acknowledged > 100 && check.n_lost == 0, "{check:?}");
}

#[test]
fn faults_do_what_they_say_and_only_in_the_sandbox() {
    let stage = stage();
    let proxy = Proxy::start(stage.server.port(), 1).unwrap();
    let through = site(&stage.server).through_port(proxy.port());
    let once = SessionSpec { reconnect_every: Some(1), ..reader(4, 2) };
    let load = Load::start(&through, &[once, writer(2, 5)], 1, Arc::clone(&stage.ledger)).unwrap();
    let server = shop(&stage.server);
    let other = Marker { token: "of another".to_owned(), ..stage.marker.clone() };
    let cx = FaultCx {
        server: &server,
        marker: &other,
        data_dir: stage.server.data_dir(),
        port: stage.server.port(),
        load: Some(&load),
        proxy: Some(&proxy),
        vault: None,
        private: None,
        seed: 1,
    };
    for fault in faults::FAULTS {
        let given = match fault.id {
            "page_damage" => params(&[("relation", "accounts")]),
            "more_clients" => params(&[("session", "reader")]),
            "decoy_backups" => params(&[("kind", "late")]),
            "stopped_process" => params(&[("relation", "accounts")]),
            _ => Params::new(),
        };
        let refused = faults::start(fault.id, &cx, &given).err().unwrap();
        assert!(matches!(refused, Error::NotSandbox { .. }), "{}: {refused}", fault.id);
    }
    let unmarked = FaultCx { server: &stage.server.target(), ..cx };
    let refused = faults::start("net_drop", &unmarked, &Params::new()).err().unwrap().to_string();
    assert!(refused.contains("no drill touches a database it did not create"), "{refused}");
    assert!(refused.contains("/postgres"), "{refused}");

    let cx = FaultCx { marker: &stage.marker, ..cx };
    until("requests", || load.report(Duration::from_secs(1)).n_total > 50);
    assert_eq!(proxy.counts().dropped, 0);
    net_drop_and_more_clients(&cx, &load, &proxy);
    failed_logins(&cx);
    stopped_process(&cx);
    load.stop();
    let check = ledger::verify(&stage.ledger, &server).unwrap();
    assert_eq!((check.n_lost, check.n_duplicates), (0, 0), "{check:?}");
}

fn net_drop_and_more_clients(cx: &FaultCx<'_>, load: &Load, proxy: &Proxy) {
    let mut drops = faults::start("net_drop", cx, &params(&[("percent", "20")])).unwrap();
    let more = params(&[("session", "reader"), ("clients", "2")]);
    let mut more = faults::start("more_clients", cx, &more).unwrap();
    let n_before = proxy.counts().accepted;
    until("1,000 connections", || proxy.counts().accepted > n_before + 1_000);
    drops.stop();
    more.stop();
    let truth = drops.truth();
    let n = proxy.counts().accepted - n_before;
    // 20% of at least 1,000, which has a deviation of 1.3%: five of them either way.
    let share = truth.n_done as f64 / n as f64;
    assert!((0.135..0.265).contains(&share), "{share} of {n}: {}", truth.says);
    let report = load.report(Duration::from_secs(10));
    assert!(report.sessions.iter().any(|s| s.errors.contains_key("connection")), "{report:?}");
    let refused = load.add_clients("writer", 1).err().unwrap().to_string();
    assert!(refused.contains("share out the keys"), "{refused}");
}

/// A client that holds a lock hangs for as long as the fault says, and then goes on.
fn stopped_process(cx: &FaultCx<'_>) {
    let none = params(&[("relation", "nothing")]);
    let refused = faults::start("stopped_process", cx, &none).err().unwrap().to_string();
    assert!(refused.contains("there is no relation nothing"), "{refused}");
    let holder = Session::connect(cx.server, Purpose::Private).unwrap();
    let given = [("relation", "accounts"), ("backend", "client_backend"), ("lasts", "300ms")];
    let mut fault = faults::start("stopped_process", cx, &params(&given)).unwrap();
    holder.simple("BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE").unwrap();
    until("it hangs", || fault.truth().n_done == 1);
    holder.simple("COMMIT").unwrap();
    fault.stop();
    assert!(fault.truth().says.contains("hung 1 times"), "{}", fault.truth().says);
}

#[test]
fn a_slow_network_keeps_every_message_back_and_loses_none() {
    let stage = stage();
    let proxy = Proxy::start(stage.server.port(), 1).unwrap();
    let through = site(&stage.server).through_port(proxy.port());
    let session = Session::connect(&through, Purpose::Private).unwrap();
    let server = shop(&stage.server);
    let cx = FaultCx {
        server: &server,
        marker: &stage.marker,
        data_dir: stage.server.data_dir(),
        port: stage.server.port(),
        load: None,
        proxy: Some(&proxy),
        vault: None,
        private: None,
        seed: 1,
    };
    let given = |delay: &str| faults::start("slow_network", &cx, &params(&[("delay", delay)]));
    assert!(given("2h").err().unwrap().to_string().contains("at most"));
    let mut slow = given("100ms").unwrap();
    let began = clock::instant();
    let n: i64 = session.query_one("SELECT count(*) FROM accounts WHERE id < 8", &[]).unwrap();
    assert_eq!(n, 6);
    // There and back, at the least: a bound that a busy machine cannot break.
    assert!(began.elapsed() >= Duration::from_millis(200));
    slow.stop();
    let n_done = slow.truth().n_done;
    assert!(n_done >= 2, "{}", slow.truth().says);
    session.query_one::<i32>("SELECT 1", &[]).unwrap();
    assert_eq!(slow.truth().n_done, n_done, "it is over");
}

#[test]
fn a_cancel_request_passes_a_network_that_drops_everything() {
    let stage = stage();
    let proxy = Proxy::start(stage.server.port(), 1).unwrap();
    let through = site(&stage.server).through_port(proxy.port());
    let session = Session::connect(&through, Purpose::Private).unwrap();
    proxy.dial().drop_percent(100.0);
    assert!(Session::connect(&through, Purpose::Private).is_err());
    let cancel = session.canceller();
    let admin = Session::connect(&shop(&stage.server), Purpose::Private).unwrap();
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| session.simple("SELECT pg_sleep(60)").unwrap_err());
        let sleeps = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')";
        until("it sleeps", || admin.query_one::<bool>(sleeps, &[]).unwrap());
        cancel().unwrap();
        assert_eq!(sleeper.join().unwrap().sqlstate(), Some("57014"));
    });
    assert_eq!(proxy.counts().cancels, 1);
}

fn failed_logins(cx: &FaultCx<'_>) {
    let mut guesses = faults::start("failed_logins", cx, &params(&[("per_s", "50")])).unwrap();
    until("20 logins refused", || guesses.truth().n_done >= 20);
    guesses.stop();
    let n = guesses.truth().n_done;
    assert_eq!(guesses.truth().n_done, n);
}

#[test]
fn a_damaged_page_is_on_disk_with_the_rows_it_names() {
    let stage = stage();
    let admin = Session::connect(&shop(&stage.server), Purpose::Private).unwrap();
    let rows_by_block = admin
        .query(
            "SELECT (ctid::text::point)[0]::bigint, array_agg(id::text ORDER BY id) \
             FROM accounts GROUP BY 1",
            &[],
        )
        .unwrap();
    let server = shop(&stage.server);
    let cx = FaultCx {
        server: &server,
        marker: &stage.marker,
        data_dir: stage.server.data_dir(),
        port: stage.server.port(),
        load: None,
        proxy: None,
        vault: None,
        private: None,
        seed: 3,
    };
    let given = params(&[("relation", "accounts"), ("n_blocks", "3"), ("where", "any")]);
    let fault: Box<dyn Running> = faults::start("page_damage", &cx, &given).unwrap();
    let truth = fault.truth();
    assert_eq!(truth.blocks.len(), 3, "{}", truth.says);
    for block in &truth.blocks {
        let row = rows_by_block
            .iter()
            .find(|r| pgward_pg::session::get::<i64>(r, 0).unwrap() == i64::from(block.block))
            .unwrap();
        let ids: Vec<String> = pgward_pg::session::get(row, 1).unwrap();
        let mut keys = block.keys.clone();
        keys.sort_by_key(|k| k.parse::<i64>().unwrap());
        assert_eq!(keys, ids, "block {}", block.block);
        let sql = format!(
            "SELECT count(*) FROM accounts WHERE ctid >= '({0},0)' AND ctid < '({1},0)'",
            block.block,
            block.block + 1
        );
        let error = admin.simple(&sql).unwrap_err();
        assert_eq!(error.sqlstate(), Some("XX001"), "{error}");
    }
    let small = params(&[("relation", "nowhere")]);
    let error = faults::start("page_damage", &cx, &small).err().unwrap().to_string();
    assert!(error.contains("nowhere"), "{error}");
}
