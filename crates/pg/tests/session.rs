//! Sessions: they know when they have ended, say goodbye, and are left by whoever waits for them.
#![allow(clippy::unwrap_used)] // helpers of tests

#[path = "common/installation.rs"]
mod installation;

use pgward_pg::clock;
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use std::time::Duration;

/// What takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

fn server() -> (PrivateServer, Session) {
    let options = ServerOptions::new(installation::installation()).set("fsync", "off");
    let server = PrivateServer::create(&options).unwrap();
    let admin = Session::connect(&server.target(), Purpose::Private).unwrap();
    admin.simple("CREATE ROLE site SUPERUSER LOGIN PASSWORD 'secret'").unwrap();
    (server, admin)
}

fn until(what: impl Fn() -> bool) -> bool {
    let ready = || Ok::<_, Error>(what().then_some(()));
    clock::poll(PATIENCE, Duration::from_millis(20), ready).unwrap().is_some()
}

fn is_there(admin: &Session, pid: i32) -> bool {
    let n = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE pid = $1";
    admin.query_one::<i64>(n, &[&pid]).unwrap() > 0
}

#[test]
fn what_the_server_has_ended_is_closed_before_anything_is_asked() {
    let (server, admin) = server();
    for target in [server.target(), server.tcp_target("site", "secret")] {
        let session = Session::connect(&target, Purpose::Watch).unwrap();
        assert!(!session.is_closed());
        admin.query("SELECT pg_catalog.pg_terminate_backend($1)", &[&session.pid()]).unwrap();
        assert!(until(|| session.is_closed()), "{target}");
    }
}

#[test]
fn a_session_in_a_transaction_says_goodbye() {
    let (server, admin) = server();
    let session = Session::connect(&server.tcp_target("site", "secret"), Purpose::Act).unwrap();
    session.simple("BEGIN; SELECT pg_catalog.pg_current_xact_id()").unwrap();
    let pid = session.pid();
    drop(session);
    assert!(until(|| !is_there(&admin, pid)));
    let logs = server.log_dir().read_dir().unwrap();
    let log: String =
        logs.map(|f| std::fs::read_to_string(f.unwrap().path()).unwrap_or_default()).collect();
    assert!(!log.contains("unexpected EOF"), "{log}");
}

#[test]
fn a_transaction_that_idled_too_long_is_a_lost_session() {
    let (server, admin) = server();
    for target in [server.target(), server.tcp_target("site", "secret")] {
        let session = Session::connect(&target, Purpose::Act).unwrap();
        session.simple("SET idle_in_transaction_session_timeout = 10; BEGIN").unwrap();
        assert!(until(|| !is_there(&admin, session.pid())));
        let error = session.query("SELECT 1", &[]).unwrap_err();
        assert!(error.is_connection_lost(), "{error:?}");
        assert!(session.is_closed());
    }
}

#[test]
fn who_waits_for_an_answer_keeps_nobody_from_cancelling() {
    let (server, admin) = server();
    let session = Session::connect(&server.target(), Purpose::Act).unwrap();
    let cancel = session.canceller();
    let ended = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| session.query("SELECT pg_catalog.pg_sleep(600)", &[]));
        let sleeps =
            "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE wait_event = 'PgSleep'";
        assert!(until(|| admin.query_one::<i64>(sleeps, &[]).unwrap() == 1));
        assert!(!session.is_closed());
        cancel().unwrap();
        waiting.join().unwrap()
    });
    assert_eq!(ended.unwrap_err().sqlstate(), Some("57014"));
    assert_eq!(session.query_one::<i32>("SELECT 1", &[]).unwrap(), 1);
}
