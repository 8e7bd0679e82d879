//! The guarded door and the DDL log against a real server.
#![allow(clippy::unwrap_used)]

#[path = "common/installation.rs"]
mod installation;

use pgward_model::prelude::*;
use pgward_pg::error::Error;
use pgward_pg::guarded::{self, Context, Moment};
use pgward_pg::install::{self, DdlCursor};
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_pg::{clock, journal, tools};
use std::time::Duration;

fn server() -> PrivateServer {
    PrivateServer::create(&ServerOptions::new(installation::installation())).unwrap()
}

fn act(target: &Target) -> (Session, Session) {
    let connect = || Session::connect(target, Purpose::Act).unwrap();
    (connect(), connect())
}

fn sql(statements: &[&str], transaction: bool, limits: Limits) -> Step {
    Step {
        number: 1,
        title: statements.first().copied().unwrap_or_default().to_owned(),
        act: Act::Sql {
            statements: statements.iter().map(|s| (*s).to_owned()).collect(),
            transaction,
        },
        limits,
        expectations: Vec::new(),
        undo: Undo::Nothing,
    }
}

fn count(session: &Session, sql: &str) -> i64 {
    session.query_one(sql, &[]).unwrap()
}

/// Waits until `sql` is true; the bound is far above what any of these needs.
fn until(session: &Session, sql: &str) {
    let ready = clock::poll(Duration::from_secs(20), Duration::from_millis(10), || {
        Ok::<_, Error>(session.query_one::<bool>(sql, &[])?.then_some(()))
    });
    assert!(ready.unwrap().is_some(), "never true: {sql}");
}

#[test]
fn a_step_keeps_its_limits() {
    let server = server();
    let target = server.target();
    let (session, control) = act(&target);
    let user = Session::connect(&target, Purpose::Private).unwrap();
    user.simple("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 100) g")
        .unwrap();

    // Rows within the limit are committed, rows above it are not.
    let rows_max = |n| Limits { rows_max: Some(n), ..Limits::SHORT };
    let step = sql(&["UPDATE t SET n = 1 WHERE id <= 10"], true, rows_max(10));
    let report = guarded::run(&session, &control, &step, &mut Context::new("t1")).unwrap();
    assert_eq!((report.rows, report.retries), (10, 0));
    let step = sql(&["UPDATE t SET n = 2 WHERE id <= 11"], true, rows_max(10));
    let error = guarded::run(&session, &control, &step, &mut Context::new("t1")).unwrap_err();
    assert!(matches!(error, Error::RowsAboveLimit { rows: 11, rows_max: 10, .. }), "{error}");
    assert_eq!(count(&user, "SELECT count(*) FROM t WHERE n = 2"), 0);

    // A broken expectation rolls back.
    let mut step = sql(&["UPDATE t SET n = 3 WHERE id = 1"], true, Limits::SHORT);
    step.expectations = vec![Expectation {
        claim: "two rows have n = 3".into(),
        sql: "SELECT count(*) = 2 FROM t WHERE n = 3".into(),
        within_ms: 100,
    }];
    let error = guarded::run(&session, &control, &step, &mut Context::new("t1")).unwrap_err();
    assert!(matches!(error, Error::Expected { .. }), "{error}");
    assert_eq!(count(&user, "SELECT count(*) FROM t WHERE n = 3"), 0);
    step.expectations[0].sql = "SELECT count(*) = 1 FROM t WHERE n = 3".into();
    guarded::run(&session, &control, &step, &mut Context::new("t1")).unwrap();
    assert_eq!(count(&user, "SELECT count(*) FROM t WHERE n = 3"), 1);

    // An expectation cannot write.
    step.expectations[0].sql = "UPDATE t SET n = 9 RETURNING true".into();
    guarded::run(&session, &control, &step, &mut Context::new("t1")).unwrap_err();
    assert_eq!(count(&user, "SELECT count(*) FROM t WHERE n = 9"), 0);

    // The journal can be written in the step's own transaction.
    install::install_journal(&session).unwrap();
    let mut seen = Vec::new();
    let mut observe = |s: &Session, moment: Moment<'_>| {
        seen.push(format!("{moment:?}").split([' ', '{']).next().unwrap_or("").to_owned());
        if matches!(moment, Moment::BeforeCommit) {
            s.execute("UPDATE t SET n = 4 WHERE id = 2", &[])?;
        }
        Ok(())
    };
    let step = sql(&["UPDATE t SET n = 4 WHERE id = 1"], true, Limits::SHORT);
    let mut context = Context::new("t1").observed_by(&mut observe);
    guarded::run(&session, &control, &step, &mut context).unwrap();
    assert_eq!(seen, ["Before", "After", "BeforeCommit"]);
    assert_eq!(count(&user, "SELECT count(*) FROM t WHERE n = 4"), 2);
}

#[test]
fn those_who_wait_behind_a_step_are_let_through() {
    let server = server();
    let target = server.target();
    let (session, control) = act(&target);
    let user = Session::connect(&target, Purpose::Private).unwrap();
    user.simple("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0)").unwrap();
    let blocked = std::thread::spawn({
        let target = target.clone();
        move || {
            let bystander = Session::connect(&target, Purpose::Private).unwrap();
            until(
                &bystander,
                "SELECT count(*) = 1 FROM pg_stat_activity \
                 WHERE application_name = 'pgward act t2' AND query LIKE '%pg_sleep%'",
            );
            let began = clock::instant();
            bystander.simple("UPDATE t SET n = n + 10 WHERE id = 1").unwrap();
            began.elapsed()
        }
    });
    let step = sql(&["UPDATE t SET n = 1", "SELECT pg_sleep(30)"], true, Limits::SHORT);
    let mut context = Context::new("t2");
    context.wait_budget = Duration::from_millis(300);
    let error = guarded::run(&session, &control, &step, &mut context).unwrap_err();
    assert!(matches!(error, Error::WaitersBehind { waiters: 1, .. }), "{error}");
    // Let through long before the step would have ended by itself.
    assert!(blocked.join().unwrap() < Duration::from_secs(20));
    assert_eq!(count(&user, "SELECT n::bigint FROM t"), 10);

    // DDL that does not get its lock tries again, then goes through once it is free.
    user.simple("BEGIN; SELECT * FROM t").unwrap();
    let free = std::thread::spawn(move || {
        let watch = Session::connect(user.target(), Purpose::Private).unwrap();
        until(&watch, "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted");
        until(&watch, "SELECT count(*) = 0 FROM pg_locks WHERE NOT granted");
        user.simple("COMMIT").unwrap();
    });
    let limits = Limits { lock_timeout_ms: 50, ..Limits::SHORT };
    let step = sql(&["ALTER TABLE t ADD COLUMN x int"], true, limits);
    let report = guarded::run(&session, &control, &step, &mut Context::new("t2")).unwrap();
    assert!(report.retries >= 1);
    free.join().unwrap();
}

#[test]
fn a_step_that_nobody_watches_is_stopped() {
    let server = server();
    let target = server.target();
    let (session, control) = act(&target);
    let user = Session::connect(&target, Purpose::Private).unwrap();
    user.simple("CREATE TABLE t (id int)").unwrap();

    let step = sql(&["INSERT INTO t VALUES (1)", "SELECT pg_sleep(30)"], true, Limits::SHORT);
    let looker = control.pid();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            until(
                &user,
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')",
            );
            user.query("SELECT pg_terminate_backend($1)", &[&looker]).unwrap();
        });
        let error =
            guarded::run(&session, &control, &step, &mut Context::new("blind")).unwrap_err();
        assert!(matches!(error, Error::Unwatched { .. }), "{error}");
    });
    assert_eq!(count(&user, "SELECT count(*) FROM t"), 0);
}

#[test]
fn a_failed_concurrent_build_leaves_no_invalid_index() {
    let server = server();
    let (session, control) = act(&server.target());
    session.simple("CREATE TABLE t (id int, n int); INSERT INTO t VALUES (1, 1), (1, 2)").unwrap();
    let _ = session.simple("CREATE UNIQUE INDEX CONCURRENTLY theirs ON t (id)").unwrap_err();
    let step = sql(&["CREATE UNIQUE INDEX CONCURRENTLY ours ON t (id)"], false, Limits::PATIENT);
    let mut context = Context::new("t3");
    let error = guarded::run(&session, &control, &step, &mut context).unwrap_err();
    assert_eq!(error.sqlstate(), Some("23505"));
    assert_eq!(context.notes.len(), 1, "{:?}", context.notes);
    let left = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(count(&session, left), 1, "only the one that was there before");
    let step = sql(&["CREATE INDEX CONCURRENTLY good ON t (id)"], false, Limits::PATIENT);
    guarded::run(&session, &control, &step, &mut Context::new("t3")).unwrap();
}

#[test]
fn only_the_session_that_is_meant_is_signalled() {
    let server = server();
    let target = server.target();
    let (session, control) = act(&target);
    let victim = Session::connect(&target, Purpose::Private).unwrap();
    victim.simple("BEGIN").unwrap();
    let start = |pid: i32| {
        control
            .query_one::<jiff::Timestamp>(
                "SELECT backend_start FROM pg_stat_activity WHERE pid = $1",
                &[&pid],
            )
            .unwrap()
    };
    let signal = |pid, backend_start, signal| {
        let step = Step {
            act: Act::Signal { pid, backend_start, signal, still: Still::default() },
            ..sql(&["end it"], true, Limits::SHORT)
        };
        guarded::run(&session, &control, &step, &mut Context::new("t4"))
    };
    let other = start(control.pid());
    let checkpointer: Pid = session
        .query_one("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'", &[])
        .unwrap();
    for (pid, start, kind, for_good) in [
        (victim.pid(), other, BackendSignal::Terminate, false),
        (victim.pid(), start(victim.pid()), BackendSignal::Cancel, false),
        (1, other, BackendSignal::Terminate, false),
        (session.pid(), start(session.pid()), BackendSignal::Terminate, true),
        (checkpointer, start(checkpointer), BackendSignal::Terminate, true),
    ] {
        let error = signal(pid, start, kind).unwrap_err();
        let refused = matches!(error, Error::Refused { .. });
        assert!(
            refused == for_good && (refused || matches!(error, Error::NotNow { .. })),
            "{error}"
        );
    }
    signal(victim.pid(), start(victim.pid()), BackendSignal::Terminate).unwrap();
    assert!(victim.simple("SELECT 1").is_err());
}

#[test]
fn a_signal_is_not_sent_once_its_reason_is_gone() {
    let server = server();
    let target = server.target();
    let (session, control) = act(&target);
    let victim = Session::connect(&target, Purpose::Private).unwrap();
    let waiter = Session::connect(&target, Purpose::Private).unwrap();
    victim.simple("CREATE TABLE held (id int PRIMARY KEY)").unwrap();
    let start = |column: &str| {
        let sql = format!("SELECT {column} FROM pg_stat_activity WHERE pid = $1");
        control.query_one::<jiff::Timestamp>(&sql, &[&victim.pid()]).unwrap()
    };
    let signal = |signal, still: &Still| {
        let backend_start = start("backend_start");
        let still = still.clone();
        let step = Step {
            act: Act::Signal { pid: victim.pid(), backend_start, signal, still },
            ..sql(&["end it"], true, Limits::SHORT)
        };
        guarded::run(&session, &control, &step, &mut Context::new("t5"))
    };
    let refused = |kind, still: &Still, why: &str| {
        let error = signal(kind, still).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    victim.simple("BEGIN; LOCK TABLE held").unwrap();
    let idle = Still {
        state: Some("idle in transaction".into()),
        xact_start: Some(start("xact_start")),
        blocks: true,
        ..Still::default()
    };
    refused(BackendSignal::Terminate, &idle, "no session waits for");
    victim.simple("COMMIT; BEGIN; LOCK TABLE held").unwrap();
    refused(BackendSignal::Terminate, &idle, "no longer in the same transaction");

    // Cancelling frees the locks of the whole transaction; with a savepoint the session ends.
    for savepoint in ["", "SAVEPOINT s;"] {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let text = format!("{savepoint} SELECT pg_sleep(60)");
                assert!(victim.simple(&text).is_err());
            });
            scope.spawn(|| waiter.simple("SELECT FROM held").unwrap());
            let still = clock::poll(Duration::from_secs(5), Duration::from_millis(20), || {
                let running = count(
                    &control,
                    "SELECT count(*) FROM pg_stat_activity a WHERE state = 'active' \
                     AND query LIKE '%pg_sleep%' AND a.pid <> pg_backend_pid()",
                );
                Ok::<_, Error>((running == 1).then(|| Still {
                    query_start: Some(start("query_start")),
                    xact_start: Some(start("xact_start")),
                    blocks: true,
                    ..Still::default()
                }))
            });
            let still = still.unwrap().expect("it runs");
            let old = Still { query_start: still.xact_start, ..still.clone() };
            refused(BackendSignal::Cancel, &old, "no longer runs the same statement");
            let waits = Still { waits: true, ..still.clone() };
            refused(BackendSignal::Cancel, &waits, "no longer waits for a lock");
            signal(BackendSignal::CancelThenTerminate, &still).unwrap();
        });
        assert_eq!(victim.simple("ROLLBACK").is_ok(), savepoint.is_empty());
        let _ = victim.simple("BEGIN; LOCK TABLE held");
    }
}

/// A backend that sends to a client which does not read looks at no cancel.
#[test]
fn a_session_whose_client_does_not_read_is_ended_where_a_cancel_does_nothing() {
    let server = server();
    let target = server.target();
    let (session, control) = act(&target);
    control.simple("CREATE TABLE held (id int PRIMARY KEY)").unwrap();
    let copy = "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT";
    let mut client =
        std::process::Command::new(installation::installation().require("psql").unwrap())
            .args(["-X", "-q", "-d", &tools::conninfo(&target)])
            .args(["-c", "BEGIN", "-c", "LOCK TABLE held", "-c", copy])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
    let waiter = Session::connect(&target, Purpose::Private).unwrap();
    std::thread::scope(|scope| {
        let stuck = "wait_event = 'ClientWrite' AND query LIKE 'COPY (SELECT repeat%'";
        until(&control, &format!("SELECT count(*) = 1 FROM pg_stat_activity WHERE {stuck}"));
        scope.spawn(|| waiter.simple("SELECT FROM held").unwrap());
        let of = |column: &str| format!("SELECT {column} FROM pg_stat_activity WHERE {stuck}");
        let start = |column: &str| control.query_one::<jiff::Timestamp>(&of(column), &[]).unwrap();
        let still = Still {
            query_start: Some(start("query_start")),
            xact_start: Some(start("xact_start")),
            blocks: true,
            ..Still::default()
        };
        let step = Step {
            act: Act::Signal {
                pid: control.query_one(&of("pid"), &[]).unwrap(),
                backend_start: start("backend_start"),
                signal: BackendSignal::CancelThenTerminate,
                still,
            },
            ..sql(&["end it"], true, Limits::SHORT)
        };
        guarded::run(&session, &control, &step, &mut Context::new("t6")).unwrap();
    });
    client.kill().unwrap();
    client.wait().unwrap();
}

#[test]
fn the_ddl_log_tells_of_which_table_dropped_statistics_were_and_how_to_make_them_again() {
    let server = server();
    let (session, _) = act(&server.target());
    let made = "CREATE STATISTICS public.a_both ON id, n FROM public.a";
    session.simple(&format!("CREATE TABLE a (id int, n int); {made}")).unwrap();
    install::install(&session).unwrap();
    let mut cursor = DdlCursor::at_end(&session).unwrap();
    for again in [made, "SELECT"] {
        session.simple("DROP STATISTICS a_both").unwrap();
        session.simple(again).unwrap();
        let told = cursor.next(&session).unwrap();
        let dropped = told.iter().find(|e| e.dropped).unwrap();
        assert_eq!(dropped.object_kind, "statistics object");
        assert_eq!(dropped.old_definition.as_deref(), Some(made));
        assert_eq!(dropped.relation, Some(Relation::new("public", "a")));
    }
}

#[test]
fn the_ddl_log_tells_who_dropped_what_and_how_it_was() {
    let server = server();
    let target = server.target();
    let (session, _) = act(&target);
    session
        .simple(
            "CREATE TABLE a (id int PRIMARY KEY, n int); CREATE INDEX a_n ON a (n) WHERE n > 0; \
             CREATE VIEW v AS SELECT id FROM a; CREATE ROLE deploy LOGIN; \
             GRANT CREATE ON SCHEMA public TO deploy; ALTER TABLE a OWNER TO deploy; \
             ALTER VIEW v OWNER TO deploy",
        )
        .unwrap();
    assert_eq!(install::install(&session).unwrap().missing, Vec::<String>::new());
    assert!(install::install(&session).unwrap().ddl_log, "may be repeated");
    assert!(install::has_ddl_log(&session).unwrap());
    let mut cursor = DdlCursor::at_end(&session).unwrap();

    let deploy = Session::connect(&target.with_role("deploy"), Purpose::Private).unwrap();
    deploy
        .simple(
            "DO $$ BEGIN CREATE TEMP TABLE tmp (x int); CREATE TABLE b (password text); \
             PERFORM 'password ''hunter2'' '; END $$",
        )
        .unwrap();
    deploy.simple("DROP INDEX CONCURRENTLY a_n").unwrap();
    deploy.simple("CREATE INDEX CONCURRENTLY a_id ON a (id)").unwrap();
    deploy.simple("DROP TABLE a CASCADE").unwrap();
    let seen = cursor.next(&session).unwrap();
    let told: Vec<String> = seen
        .iter()
        .map(|e| format!("{} {} {} by {}", e.command, e.object_kind, e.identity, e.role))
        .collect();
    let at = |want: &str| {
        let i = told.iter().position(|t| t.starts_with(want));
        seen.get(i.unwrap_or_else(|| panic!("no {want} in {told:#?}"))).unwrap()
    };
    let created = at("CREATE TABLE table public.b by deploy");
    assert!(!created.statement.contains("hunter2"), "{}", created.statement);
    let redacted = |text: &str| -> String {
        session.query_one("SELECT pgward.redacted($1)", &[&text]).unwrap()
    };
    for secret in [
        "ALTER ROLE x PASSWORD 'hunter2'",
        "ALTER ROLE x ENCRYPTED PASSWORD E'it''s hunter2' VALID UNTIL 'now'",
        "ALTER ROLE x PASSWORD $a$hunter2$a$",
        "CREATE SUBSCRIPTION s CONNECTION 'host=x password=hunter2 user=y' PUBLICATION p",
        "CREATE USER MAPPING FOR x SERVER y OPTIONS (user 'x', password 'hunter2')",
        "ALTER ROLE x PASSWORD 'hunter2",
    ] {
        assert!(!redacted(secret).contains("hunter2"), "{}", redacted(secret));
    }
    let plain = "CREATE TABLE b (password text, name text DEFAULT 'x')";
    assert_eq!(redacted(plain), plain);
    assert!(created.statement.contains("(password text)"));
    let index = at("DROP INDEX index public.a_n by deploy");
    assert_eq!(
        index.old_definition.as_deref(),
        Some("CREATE INDEX a_n ON public.a USING btree (n) WHERE (n > 0)")
    );
    assert_eq!(index.relation, Some(Relation::new("public", "a")));
    at("CREATE INDEX index public.a_id by deploy");
    let table = at("DROP TABLE table public.a by deploy");
    assert!(table.dropped && table.xid.is_some() && table.lsn.is_some());
    let view = at("DROP TABLE view public.v");
    assert!(view.old_definition.as_deref().unwrap_or("").contains("SELECT"));
    assert!(at("DROP TABLE index public.a_id").old_definition.is_some());
    assert!(told.iter().all(|t| !t.contains("tmp")), "{told:#?}");
    assert_eq!(cursor.next(&session).unwrap(), Vec::new());

    broken_or_gone(&session, &deploy);
}

fn broken_or_gone(session: &Session, deploy: &Session) {
    // A broken log never breaks a user's DDL.
    session.simple("ALTER TABLE pgward.ddl_log DROP COLUMN lsn").unwrap();
    deploy.simple("CREATE TABLE c (x int); DROP TABLE c").unwrap();

    let before = count(session, "SELECT count(*) FROM pg_event_trigger");
    assert_eq!(before, 2);
    assert!(install::undoable_changes(session).unwrap().is_some());
    install::uninstall(session).unwrap();
    assert_eq!(install::undoable_changes(session).unwrap(), None);
    assert_eq!(count(session, "SELECT count(*) FROM pg_event_trigger"), 0);
    assert_eq!(count(session, "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgward'"), 0);

    // Without a superuser the journal still works.
    session.simple("GRANT CREATE ON DATABASE postgres TO deploy").unwrap();
    let installed = install::install(deploy).unwrap();
    assert!(!installed.ddl_log && installed.missing.len() == 1, "{installed:?}");
    let key = journal::Key { change_id: "abc", run: 1, step: 1 };
    journal::intend(deploy, key, "SELECT 1", true, &Undo::Nothing).unwrap();
    journal::ended(deploy, key, JournalState::Done, Some(1), None).unwrap();
    let lines = journal::newest_run(deploy, "abc").unwrap();
    assert_eq!(lines[0].entry.state, JournalState::Done);
    install::uninstall(deploy).unwrap();
}

#[test]
fn the_least_rights_are_grantable_and_enough_to_read_the_log_of_ddl() {
    let server = server();
    let target = server.target();
    let (session, _) = act(&target);
    install::install(&session).unwrap();
    session.simple("CREATE ROLE \"Watch er\" LOGIN").unwrap();
    session.simple(&install::least_rights_sql("Watch er")).unwrap();
    let watcher = Session::connect(&target.with_role("Watch er"), Purpose::Watch).unwrap();
    session.simple("CREATE TABLE x (id int)").unwrap();
    let seen = install::read_ddl(&watcher, 0).unwrap();
    assert_eq!(seen.iter().filter(|(_, e)| e.command == "CREATE TABLE").count(), 1);
    assert!(install::has_journal(&watcher).unwrap());
}
