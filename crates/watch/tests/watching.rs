//! The watcher on a real server: what it must open, judge and close, and what it must leave.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests are tests too")]

#[path = "../../pg/tests/common/installation.rs"]
mod installation;

use pgward_model::prelude::*;
use pgward_pg::clock::{self, Deadline};
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_watch::watcher::{Options, Watcher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

fn server() -> PrivateServer {
    server_with(ServerOptions::new(installation::installation()))
}

fn server_with(options: ServerOptions) -> PrivateServer {
    let server = PrivateServer::create(&options.set("fsync", "off")).unwrap();
    let setup = Session::connect(&server.target(), Purpose::Private).unwrap();
    setup
        .simple(
            "CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
             INSERT INTO accounts SELECT n, 0 FROM generate_series(1, 1000) n;
             ANALYZE accounts",
        )
        .unwrap();
    server
}

fn watcher(target: &Target) -> Watcher {
    Watcher::start(Options {
        server: "test".to_owned(),
        target: target.clone(),
        probe_target: None,
        scan: Arc::new(AtomicBool::new(false)),
        known_changes: Vec::new(),
        healthy_s: 3.0,
    })
    .unwrap()
}

/// Ticks once a second until `until` says so or `seconds` have passed; what happened.
fn watch(
    watcher: &mut Watcher,
    seconds: u64,
    mut until: impl FnMut(&Watcher) -> bool,
) -> Vec<Event> {
    let deadline = Deadline::after(Duration::from_secs(seconds));
    let mut events = Vec::new();
    while !deadline.passed() {
        let start = clock::instant();
        events.extend(watcher.tick());
        if until(watcher) {
            break;
        }
        std::thread::sleep(Duration::from_secs(1).saturating_sub(start.elapsed()));
    }
    events
}

/// Clients that pay and read all the time, until told to stop.
fn load(target: &Target, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<()>> {
    (0..2)
        .map(|client: i64| {
            let (target, stop) = (target.clone(), Arc::clone(stop));
            std::thread::spawn(move || {
                let session = Session::connect(&target, Purpose::Application("shop")).unwrap();
                let mut id = client;
                while !stop.load(Ordering::Relaxed) {
                    id = (id * 31 + 7) % 1000;
                    session
                        .execute(
                            "UPDATE accounts SET balance = balance + 1 WHERE id = $1::bigint",
                            &[&(id + 1)],
                        )
                        .unwrap();
                    std::thread::sleep(Duration::from_millis(5));
                }
            })
        })
        .collect()
}

fn blocked(target: &Target) -> JoinHandle<()> {
    let target = target.clone();
    std::thread::spawn(move || {
        let session = Session::connect(&target, Purpose::Application("shop")).unwrap();
        session.simple("UPDATE accounts SET balance = 2 WHERE id = 1").unwrap();
    })
}

#[test]
fn a_queue_behind_one_who_takes_our_name_is_opened_judged_and_closed() {
    let server = server();
    let mut watcher = watcher(&server.target());
    assert!(watch(&mut watcher, 14, |w| w.incident().is_some()).is_empty());
    let holder = Session::connect(&server.target(), Purpose::Application("pgward watch")).unwrap();
    holder.simple("BEGIN; UPDATE accounts SET balance = 1 WHERE id = 1").unwrap();
    let waiters: Vec<_> = (0..3).map(|_| blocked(&server.target())).collect();
    let events = watch(&mut watcher, 20, |w| {
        w.incident().is_some_and(|i| i.verdicts.iter().any(|v| v.verdict.likely().is_some()))
    });
    let incident = watcher.incident().unwrap().clone();
    let symptom = incident.symptoms.iter().find(|s| s.detector == "lock_queue").unwrap();
    assert!(symptom.title.contains(&format!("behind pid {}", holder.pid())), "{}", symptom.title);
    assert!(events.iter().any(|e| e.kind == EventKind::Opened));
    let last = watcher.window().last().unwrap();
    let root = last.sessions.iter().find(|s| s.pid == holder.pid()).unwrap();
    assert_eq!(root.application, "pgward watch");
    let waits = last.sessions.iter().filter_map(|s| s.waits_for.as_ref());
    assert!(waits.clone().count() == 3 && waits.clone().all(|w| w.since.is_some()));
    let likely: Vec<&str> = incident
        .verdicts
        .iter()
        .filter(|v| v.verdict.likely().is_some())
        .map(|v| v.cause.as_str())
        .collect();
    assert!(likely.contains(&"lock_idle_tx"), "{likely:?}");

    holder.simple("ROLLBACK").unwrap();
    for waiter in waiters {
        waiter.join().unwrap();
    }
    let mut closed = None;
    while closed.is_none() {
        watch(&mut watcher, 1, |_| true);
        closed = watcher.close_if_healthy();
        assert!(watcher.quiet_s().is_none_or(|s| s < 120.0), "never closed");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(watcher.incident().is_none());
}

#[test]
fn daily_life_and_a_reset_of_statistics_open_nothing() {
    let server = server();
    let stop = Arc::new(AtomicBool::new(false));
    let clients = load(&server.target(), &stop);
    let mut watcher = watcher(&server.target());
    let mut events = watch(&mut watcher, 18, |w| w.incident().is_some());
    let admin = Session::connect(&server.target(), Purpose::Application("psql")).unwrap();
    admin.simple("SELECT pg_stat_reset()").unwrap();
    events.extend(watch(&mut watcher, 12, |w| w.incident().is_some()));
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    assert!(watcher.incident().is_none(), "{events:#?}");
    let own = watcher.window().samples.iter().flat_map(|s| &s.sessions);
    assert!(own.clone().all(|s| !s.application.starts_with("pgward")), "we see ourselves");
}

#[test]
fn a_truncate_is_seen_though_no_event_trigger_fires_for_it() {
    let server = server();
    let mut watcher = watcher(&server.target());
    watch(&mut watcher, 4, |_| false);
    let admin = Session::connect(&server.target(), Purpose::Application("psql")).unwrap();
    admin.simple("TRUNCATE accounts").unwrap();
    let is_truncate = |d: &DdlEvent| d.command == "TRUNCATE";
    watch(&mut watcher, 20, |w| w.window().samples.iter().any(|s| s.ddl.iter().any(is_truncate)));
    let seen: Vec<&DdlEvent> =
        watcher.window().samples.iter().flat_map(|s| &s.ddl).filter(|d| is_truncate(d)).collect();
    let event = seen.first().unwrap();
    assert_eq!((event.identity.as_str(), event.application.as_str()), ("public.accounts", "psql"));
}

#[test]
fn what_a_long_statement_writes_is_counted_while_it_runs() {
    // With many buffers it would write its first pages only after seconds.
    let options = ServerOptions::new(installation::installation());
    let server = server_with(options.set("shared_buffers", "2MB"));
    let mut watcher = watcher(&server.target());
    let copies = Session::connect(&server.target(), Purpose::Application("deploy")).unwrap();
    let (pid, cancel) = (copies.pid(), copies.canceller());
    let page = "(SELECT string_agg(md5((g * i)::text), '') FROM generate_series(1, 60) i) AS page";
    let copy = format!(
        "CREATE TABLE copy AS SELECT {page}, pg_sleep(0.002)::text FROM generate_series(1, 60000) g"
    );
    let running = std::thread::spawn(move || copies.simple(&copy));
    let of_copy = |w: &Watcher| -> Vec<i64> {
        let all = w.window().samples.iter().flat_map(|s| s.writes.iter().flatten());
        all.filter(|w| w.pid == pid && w.process == pid).map(|w| w.bytes).collect()
    };
    watch(&mut watcher, 30, |w| of_copy(w).len() >= 3);
    cancel().unwrap();
    running.join().unwrap().unwrap_err();
    let seen = of_copy(&watcher);
    let grown: Vec<i64> = seen.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(grown.len() >= 2 && grown.iter().all(|bytes| *bytes > 200_000), "{seen:?}");
}

#[test]
fn the_log_is_read_in_every_format_and_across_rotation() {
    let installation = installation::installation();
    let formats = if installation.major >= 15 { &["stderr", "jsonlog"][..] } else { &["stderr"] };
    for format in formats {
        let options = ServerOptions::new(installation.clone())
            .set("fsync", "off")
            .set("log_destination", format)
            .set("log_rotation_age", "0")
            .set("log_filename", "postgresql-%H%M%S.log")
            .set("log_line_prefix", "%t %q%u@%d,%a [%p]: ");
        let server = PrivateServer::create(&options).unwrap();
        let mut watcher = watcher(&server.target());
        watch(&mut watcher, 2, |_| false);
        let shop = Session::connect(&server.target(), Purpose::Application("shop")).unwrap();
        let is_missing = |e: &&LogEntry| e.class == "missing_relation";
        for (name, n) in [("lost", 1), ("gone", 2)] {
            let failing = format!("SELECT 'it''s\n\tnot ERROR:  here', * FROM {name}");
            shop.simple(&failing).unwrap_err();
            let all = |w: &Watcher| -> Vec<LogEntry> {
                let log = w.window().samples.iter().flat_map(|s| &s.log);
                log.filter(is_missing).cloned().collect()
            };
            watch(&mut watcher, 20, |w| all(w).len() >= n);
            let found = all(&watcher);
            assert_eq!(found.len(), n, "{format}: {found:?}");
            let last = found.last().unwrap();
            assert_eq!((last.sqlstate.as_str(), last.application.as_str()), ("42P01", "shop"));
            assert!(last.message.contains(name), "{format}: {}", last.message);
            assert!(last.statement.contains("not ERROR:  here"), "{format}: {}", last.statement);
            shop.simple("SELECT pg_catalog.pg_rotate_logfile()").unwrap();
        }
    }
}

#[test]
fn ddl_is_told_from_two_catalogs_where_no_trigger_logs_it() {
    let server = server();
    let admin = Session::connect(&server.target(), Purpose::Application("psql")).unwrap();
    admin.simple("CREATE INDEX i ON accounts (balance); CREATE TABLE carts (id int)").unwrap();
    let mut watcher = watcher(&server.target());
    watch(&mut watcher, 2, |_| false);
    let change = "ALTER TABLE accounts ADD COLUMN note text; DROP INDEX i; \
                  CREATE INDEX k ON accounts (id, balance); DROP TABLE carts; \
                  ALTER TABLE accounts RENAME TO ledger; CREATE TABLE new (id int)";
    admin.simple(&format!("BEGIN; {change}; COMMIT")).unwrap();
    let seen = |w: &Watcher| {
        let samples = w.window().samples.iter();
        samples.flat_map(|s| s.ddl.clone()).collect::<Vec<_>>()
    };
    watch(&mut watcher, 20, |w| !seen(w).is_empty());
    let events = seen(&watcher);
    let told: std::collections::BTreeSet<(&str, &str, bool)> =
        events.iter().map(|e| (e.command.as_str(), e.identity.as_str(), e.dropped)).collect();
    let expected = [
        ("ALTER TABLE", "public.accounts", true),
        ("ALTER TABLE", "public.note", false),
        ("CREATE INDEX", "public.k", false),
        ("CREATE TABLE", "public.new", false),
        ("DROP INDEX", "public.i", true),
        ("DROP TABLE", "public.carts", true),
    ];
    // The rename changes the definition of the primary key's index too.
    assert!(expected.iter().all(|e| told.contains(e)), "{told:#?}");
    let dropped = events.iter().find(|e| e.identity == "public.i").unwrap();
    assert!(dropped.old_definition.as_ref().unwrap().contains("(balance)"));
    assert_eq!(dropped.relation, Some(Relation::new("public", "ledger")));
}

/// pg_cron itself is not installed everywhere; what it writes is a table of this shape.
const CRON: &str = "CREATE SCHEMA cron; CREATE TABLE cron.job_run_details (runid bigint \
    PRIMARY KEY, jobid bigint, username text, command text, start_time timestamptz); \
    INSERT INTO cron.job_run_details VALUES (1, 7, 'batch', 'SELECT old()', now())";

#[test]
fn jobs_settings_and_statistics_are_changes_with_what_they_touch() {
    let server = server();
    let admin = Session::connect(&server.target(), Purpose::Application("psql")).unwrap();
    admin.simple(CRON).unwrap();
    let mut watcher = watcher(&server.target());
    watch(&mut watcher, 2, |_| false);
    admin.simple("ALTER SYSTEM SET work_mem = '1MB'").unwrap();
    admin.simple("SELECT pg_reload_conf(); ANALYZE accounts").unwrap();
    let job = "INSERT INTO cron.job_run_details VALUES (2, 7, 'batch', 'VACUUM accounts', now())";
    admin.simple(job).unwrap();
    let wanted = ["setting work_mem", "relation accounts", "job", "server"];
    let subjects =
        |w: &Watcher| w.status().changes.into_iter().map(|c| c.subject).collect::<Vec<_>>();
    watch(&mut watcher, 60, |w| wanted.iter().all(|s| subjects(w).iter().any(|k| k == s)));
    let changes = watcher.status().changes;
    let job = changes.iter().find(|c| c.subject == "job").unwrap();
    assert_eq!((job.actor.as_str(), job.what.as_str()), ("batch", "cron job 7: VACUUM accounts"));
    for subject in wanted {
        assert!(changes.iter().any(|c| c.subject == subject), "{subject}: {changes:#?}");
    }
    assert!(!changes.iter().any(|c| c.what.contains("old()")), "{changes:#?}");
}
