//! Lints that speak of a server's state, each on a server that is in it; and the harm they
//! foretell, where it takes no minutes to see.
#![allow(clippy::unwrap_used)]

mod common;

use pgward_lint::lints::STAGED;
use pgward_lint::{Options, check};
use pgward_model::prelude::*;
use pgward_pg::catalog;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_pg::session::{Purpose, Session};
use std::time::Duration;

/// What each test stages; together they must be all.
const HERE: &[&str] = &[
    "concurrently_corrupts_index",
    "freeze_behind",
    "hot_table",
    "lock_table_too_small",
    "wraparound_vacuum_runs",
];

#[test]
fn every_staged_lint_is_staged_here() {
    assert_eq!(STAGED, HERE);
}

fn server(settings: &[(&str, &str)]) -> PrivateServer {
    let options = ServerOptions::new(common::installation()).set("fsync", "off");
    let options = settings.iter().fold(options, |o, (name, value)| o.set(name, value));
    PrivateServer::create(&options).unwrap()
}

/// A client that stays, and has run these one by one.
fn client(server: &PrivateServer, sql: &[&str]) -> Session {
    let session = common::client(server, "postgres");
    for statement in sql {
        session.simple(statement).unwrap_or_else(|e| panic!("{statement}: {}", e.message()));
    }
    session
}

/// What `lint` says of `sql` on the server as it is.
fn said(catalog: &Catalog, lint: &str, sql: &str) -> Vec<(Severity, String)> {
    let change = pgward_sql::change(vec![pgward_sql::read("change.sql", sql)]);
    let found = check(&change, Some(catalog), &Options::default());
    let of_lint = found.into_iter().filter(|f| f.lint == lint);
    of_lint.map(|f| (f.severity, f.message)).collect()
}

/// The catalog as soon as `ready` holds of its conditions.
fn catalog_when(server: &PrivateServer, ready: impl Fn(&Conditions) -> bool) -> Catalog {
    let session = Session::connect(&server.target(), Purpose::Inspect).unwrap();
    let read = || -> Result<Option<Catalog>, pgward_pg::error::Error> {
        let catalog = catalog::read(&session)?;
        Ok(catalog.conditions.as_ref().is_some_and(&ready).then_some(catalog))
    };
    pgward_pg::clock::poll(Duration::from_secs(60), Duration::from_millis(200), read)
        .unwrap()
        .expect("the server comes into that state within a minute")
}

fn the_only(said: &[(Severity, String)]) -> (Severity, &str) {
    let [(severity, message)] = said else { panic!("{said:?}") };
    (*severity, message)
}

#[test]
fn an_open_transaction_is_named_where_the_change_would_wait_for_it() {
    let server = server(&[]);
    drop(client(&server, &["CREATE TABLE orders (id int); CREATE TABLE items (id int)"]));
    let open = client(&server, &["BEGIN", "INSERT INTO orders VALUES (1)"]);
    let old = |c: &Conditions| c.transactions.iter().flatten().any(|t| t.age_s >= 5.0);
    let catalog = catalog_when(&server, old);
    let lint = "old_transaction_in_the_way";
    let of_orders = said(&catalog, lint, "ALTER TABLE orders ADD COLUMN paid int");
    let (severity, message) = the_only(&of_orders);
    assert_eq!(severity, Severity::Warning);
    for part in [&format!("pid {} (", open.pid()), "shop, idle in transaction", "ROW EXCLUSIVE"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(said(&catalog, lint, "ALTER TABLE items ADD COLUMN paid int"), []);
    assert_eq!(said(&catalog, lint, "UPDATE orders SET id = 2 WHERE id = 3"), []);
    let refused = common::session(&server, "postgres")
        .simple("SET lock_timeout = 300; ALTER TABLE orders ADD COLUMN paid int");
    assert_eq!(refused.unwrap_err().sqlstate(), Some("55P03"), "it does wait");
    drop(open);
}

#[test]
fn locks_of_partitions_are_counted_before_the_server_runs_out_of_them() {
    let server = server(&[("max_locks_per_transaction", "10"), ("max_connections", "20")]);
    let admin = client(&server, &["CREATE TABLE parted (a int PRIMARY KEY) PARTITION BY LIST (a)"]);
    for n in 0..900 {
        let sql = format!("CREATE TABLE parted_{n} PARTITION OF parted FOR VALUES IN ({n})");
        admin.simple(&sql).unwrap();
    }
    let catalog = catalog_when(&server, |_| true);
    let lint = "lock_table_too_small";
    let sql = "ALTER TABLE parted ADD COLUMN b int";
    let wide = said(&catalog, lint, sql);
    let (severity, message) = the_only(&wide);
    assert_eq!(severity, Severity::Error);
    assert!(message.contains("parted has 900 partitions"), "{message}");
    assert_eq!(said(&catalog, lint, "ALTER TABLE parted_1 ALTER COLUMN a SET STATISTICS 10"), []);
    let refused = admin.simple(sql).unwrap_err();
    assert_eq!(refused.sqlstate(), Some("53200"), "the server has no room for them");
}

#[test]
fn a_busy_table_is_told_with_its_rate() {
    let server =
        server(&[("shared_preload_libraries", "pg_stat_statements"), ("max_connections", "20")]);
    let setup = "CREATE EXTENSION pg_stat_statements; CREATE TABLE busy (id int); CREATE TABLE \
                 calm (id int)";
    let admin = client(&server, &[setup, "SELECT pg_stat_statements_reset()"]);
    let many = "SELECT id FROM busy WHERE id = 1;".repeat(500);
    // At the slowest ten seconds a thousand: 20 connections are taken within 10 s from two a second.
    for _ in 0..10 {
        admin.simple(&many).unwrap();
    }
    let catalog = catalog_when(&server, |_| true);
    let lint = "hot_table";
    let told = said(&catalog, lint, "ALTER TABLE busy ADD COLUMN b int");
    let (_, message) = the_only(&told);
    assert!(
        message.contains("busy is asked") && message.contains("all 20 connections"),
        "{message}"
    );
    assert_eq!(said(&catalog, lint, "ALTER TABLE calm ADD COLUMN b int"), []);
    assert_eq!(said(&catalog, lint, "CREATE INDEX CONCURRENTLY ON busy (id)"), []);
    let brief = "SET lock_timeout = '50ms'; ALTER TABLE busy ADD COLUMN b int";
    assert_eq!(said(&catalog, lint, brief), []);
}

#[test]
fn a_server_short_of_ids_wants_no_long_work_and_its_vacuum_gives_way_to_nobody() {
    let server = server(&[
        ("autovacuum_freeze_max_age", "100000"),
        ("vacuum_freeze_min_age", "0"),
        ("autovacuum_naptime", "1s"),
        ("synchronous_commit", "off"),
    ]);
    let slow = "CREATE TABLE large (a int) WITH (autovacuum_vacuum_cost_delay = 100, \
                autovacuum_vacuum_cost_limit = 1);
                INSERT INTO large SELECT g FROM generate_series(1, 200000) g";
    let admin = client(&server, &[slow]);
    let holds = client(&server, &["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1 FROM large"]);
    admin
        .simple(
            "DO $$ BEGIN FOR i IN 1..205000 LOOP PERFORM pg_current_xact_id(); COMMIT; \
             END LOOP; END $$",
        )
        .unwrap();
    let runs = |c: &Conditions| {
        let large = |v: &RunningVacuum| v.to_prevent_wraparound && v.relation.name == "large";
        c.vacuums.iter().flatten().any(large)
    };
    let catalog = catalog_when(&server, runs);
    let told = said(&catalog, "wraparound_vacuum_runs", "ALTER TABLE large ADD COLUMN b int");
    assert_eq!(the_only(&told).0, Severity::Warning);
    let other = said(&catalog, "wraparound_vacuum_runs", "CREATE TABLE n (a int)");
    assert_eq!(other, []);

    let lint = "freeze_behind";
    let rewrite = "ALTER TABLE large ALTER COLUMN a TYPE bigint";
    assert_eq!(said(&catalog, lint, rewrite), [], "it takes no minute");
    // As large as the statistics say: 20 GB.
    admin.simple("UPDATE pg_class SET relpages = 2500000 WHERE relname = 'large'").unwrap();
    let catalog = catalog_when(&server, |_| true);
    let told = said(&catalog, lint, rewrite);
    let (severity, message) = the_only(&told);
    assert!(severity >= Severity::Warning && message.contains("behind with freezing"), "{message}");
    assert_eq!(said(&catalog, lint, "ALTER TABLE large ADD COLUMN b int"), []);
    drop(holds);
}

/// No server of these versions can be had; the number is all that the lint reads.
#[test]
fn a_server_that_damages_indexes_is_known_by_its_version() {
    let server = server(&[]);
    drop(client(&server, &["CREATE TABLE t (a int)"]));
    let catalog = catalog_when(&server, |_| true);
    let of = |server_version: u32, sql: &str| {
        let catalog = Catalog { server_version, ..catalog.clone() };
        said(&catalog, "concurrently_corrupts_index", sql).len()
    };
    assert_eq!(of(140_003, "CREATE INDEX CONCURRENTLY i ON t (a)"), 1);
    assert_eq!(of(140_003, "REINDEX TABLE CONCURRENTLY t"), 1);
    assert_eq!(of(140_004, "CREATE INDEX CONCURRENTLY i ON t (a)"), 0);
    assert_eq!(of(140_003, "CREATE INDEX i ON t (a)"), 0);
    assert_eq!(of(130_007, "CREATE INDEX CONCURRENTLY i ON t (a)"), 0);
}

/// The worker of a subscription stops at the first row that has a column more.
#[test]
fn a_column_that_the_subscriber_lacks_stops_the_replication() {
    let server = server(&[("wal_level", "logical")]);
    let admin = client(&server, &["CREATE DATABASE reader", "CREATE TABLE t (a int PRIMARY KEY)"]);
    admin.simple("CREATE PUBLICATION sends FOR TABLE t").unwrap();
    admin.simple("SELECT pg_create_logical_replication_slot('reads', 'pgoutput')").unwrap();
    let reader = common::client(&server, "reader");
    reader.simple("CREATE TABLE t (a int PRIMARY KEY, must int)").unwrap();
    let sockets: String =
        admin.query_one("SELECT current_setting('unix_socket_directories')", &[]).unwrap();
    let target = format!(
        "CREATE SUBSCRIPTION takes CONNECTION 'host={sockets} port={} dbname=postgres user=postgres' \
         PUBLICATION sends WITH (create_slot = false, slot_name = reads, copy_data = false)",
        server.port()
    );
    reader.simple(&target).unwrap();
    let catalog = catalog_when(&server, |c| c.publications.iter().flatten().count() == 1);
    let lint = "replicated_table_changes";
    let adds = said(&catalog, lint, "ALTER TABLE t ADD COLUMN b int");
    assert_eq!(the_only(&adds).0, Severity::Warning);
    let inspect = Session::connect(&server.target().with_database("reader"), Purpose::Inspect);
    let read = catalog::read(&inspect.unwrap()).unwrap();
    let drops = said(&read, lint, "ALTER TABLE t DROP COLUMN must");
    assert!(the_only(&drops).1.contains("subscription takes"), "{drops:?}");

    admin.simple("ALTER TABLE t ADD COLUMN b int").unwrap();
    admin.simple("INSERT INTO t VALUES (1, 2)").unwrap();
    let lacks = || -> Result<Option<()>, pgward_pg::error::Error> {
        let told = server.log_trouble(200).iter().any(|l| l.contains("missing replicated column"));
        Ok(told.then_some(()))
    };
    pgward_pg::clock::poll(Duration::from_secs(60), Duration::from_millis(200), lacks)
        .unwrap()
        .expect("the worker says within a minute what it lacks");
}
