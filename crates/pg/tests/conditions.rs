//! What surrounds a change, read from a real server where all of it is staged.
#![allow(clippy::unwrap_used)]

#[path = "common/installation.rs"]
mod installation;

use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_pg::{catalog, clock, conditions};
use std::time::Duration;

const SHOP: &str = "
CREATE TABLE orders (id serial PRIMARY KEY, note text);
CREATE TABLE items (id int PRIMARY KEY);
INSERT INTO orders SELECT g, '' FROM generate_series(1, 10) g;
SELECT setval('orders_id_seq', 2000000000);
CREATE PUBLICATION sends FOR TABLE orders;
CREATE ROLE guest LOGIN;
";

fn server() -> PrivateServer {
    let options = ServerOptions::new(installation::installation())
        .set("fsync", "off")
        .set("wal_level", "logical")
        .set("max_prepared_transactions", "5");
    PrivateServer::create(&options).unwrap()
}

fn client(server: &PrivateServer, sql: &[&str]) -> Session {
    let session = Session::connect(&server.target(), Purpose::Application("shop")).unwrap();
    for statement in sql {
        session.simple(statement).unwrap();
    }
    session
}

#[test]
fn what_surrounds_a_change_is_read() {
    let server = server();
    drop(client(&server, &[SHOP]));
    let slot = "SELECT pg_create_logical_replication_slot('follows', 'pgoutput')";
    drop(client(&server, &[slot]));
    let prepare = ["BEGIN; LOCK TABLE items IN SHARE MODE; PREPARE TRANSACTION 'forgotten'"];
    drop(client(&server, &prepare));
    let open = client(
        &server,
        &["BEGIN", "SELECT pg_advisory_xact_lock(-7)", "UPDATE orders SET note = 'x' WHERE id = 1"],
    );
    let inspect = Session::connect(&server.target(), Purpose::Inspect).unwrap();
    let read = || -> Result<Option<Conditions>, Error> {
        let found = catalog::read(&inspect)?.conditions.unwrap();
        let is_old = found.transactions.as_ref().is_some_and(|all| !all.is_empty());
        Ok(is_old.then_some(found))
    };
    let found = clock::poll(Duration::from_secs(20), Duration::from_millis(100), read)
        .unwrap()
        .expect("a transaction is a second old within 20 s");
    drop(inspect);
    assert_eq!(found.gaps, []);

    let transactions = found.transactions.as_ref().unwrap();
    let [t] = transactions.as_slice() else { panic!("{transactions:?}") };
    assert_eq!((t.pid, t.application.as_str()), (open.pid(), "shop"));
    assert_eq!(t.state, "idle in transaction");
    assert!(t.statement.starts_with("UPDATE orders"), "{}", t.statement);
    assert!(!t.has_snapshot && t.age_s >= 1.0, "{t:?}");
    let orders = Relation::new("public", "orders");
    assert_eq!(t.locks, [TableLock { relation: orders.clone(), mode: LockMode::RowExclusive }]);

    let prepared = found.prepared.as_ref().unwrap();
    let [p] = prepared.as_slice() else { panic!("{prepared:?}") };
    let items = Relation::new("public", "items");
    assert_eq!(p.gid, "forgotten");
    assert_eq!(p.locks, [TableLock { relation: items, mode: LockMode::Share }]);

    let advisory = found.advisory.as_ref().unwrap();
    assert_eq!(advisory.iter().map(|l| l.key).collect::<Vec<_>>(), [-7]);
    assert_eq!(advisory.first().unwrap().in_transaction, Some(true));
    let sends = found.publications.as_ref().unwrap().first().unwrap();
    assert!(sends.sends(&orders) && !sends.sends(&Relation::new("public", "items")));
    let slots = found.slots.as_ref().unwrap();
    assert_eq!((slots.len(), slots.first().unwrap().kind.as_str()), (1, "logical"));
    assert_eq!(found.keys.as_ref().unwrap().first().unwrap().last_value, 2_000_000_000);
    let limits = found.limits.as_ref().unwrap();
    assert_eq!((limits.max_prepared_transactions, limits.wal_level.as_str()), (5, "logical"));
    let freeze = found.freeze.as_ref().unwrap();
    assert!(freeze.xid_age > 0 && freeze.failsafe_age > freeze.freeze_max_age, "{freeze:?}");
    assert!(found.disk.as_ref().unwrap().data_free_bytes > 0.0);
    drop(open);
}

#[test]
fn what_a_role_may_not_see_is_a_gap_that_names_the_right() {
    let server = server();
    drop(client(&server, &[SHOP]));
    let guest = Session::connect(&server.target().with_role("guest"), Purpose::Inspect).unwrap();
    let found = conditions::read(&guest).unwrap();
    assert_eq!((&found.transactions, &found.vacuums, &found.standbys), (&None, &None, &None));
    assert_eq!(found.prepared, Some(Vec::new()));
    assert_eq!(found.disk, None);
    for part in ["transactions", "vacuums", "standbys", "disk"] {
        let gap = found.gaps.iter().find(|g| g.sampler == part).unwrap();
        assert!(gap.why.contains("GRANT pg_monitor"), "{gap:?}");
    }
}

#[test]
fn who_locks_the_catalog_is_named_and_not_waited_for() {
    let server = server();
    drop(client(&server, &[SHOP]));
    let prepare = ["BEGIN; LOCK TABLE items; PREPARE TRANSACTION 'forgotten'"];
    drop(client(&server, &prepare));
    let inspect = Session::connect(&server.target(), Purpose::Inspect).unwrap();
    assert_eq!(conditions::read(&inspect).unwrap().gaps, []);
    let error = catalog::read(&inspect).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("items is locked by transaction forgotten, prepared"), "{told}");
    assert_eq!(error.sqlstate(), Some("55P03"));
}

#[test]
fn rows_of_a_load_that_was_vacuumed_at_once_count_once() {
    let server = server();
    let loads = client(
        &server,
        &[
            "CREATE TABLE parcels (id int) WITH (autovacuum_enabled = off)",
            // Counters are reported once a second: the next ones wait.
            "SELECT pg_sleep(1.1)",
            "INSERT INTO parcels SELECT g FROM generate_series(1, 1000) g",
            "VACUUM ANALYZE parcels",
            "SELECT pg_sleep(1.1)",
            "INSERT INTO parcels SELECT g FROM generate_series(1001, 1200) g",
        ],
    );
    drop(loads); // reports the rest
    let inspect = Session::connect(&server.target(), Purpose::Inspect).unwrap();
    let read = || -> Result<Option<f64>, Error> {
        let tables = catalog::schema(&inspect)?.relations;
        let parcels = tables.into_iter().find(|t| t.relation.name == "parcels").unwrap();
        Ok(parcels.n_rows.filter(|n| *n > 1000.0))
    };
    let found = clock::poll(Duration::from_secs(20), Duration::from_millis(100), read).unwrap();
    assert_eq!(found, Some(1200.0));
}

#[test]
fn keys_near_their_limit_and_keys_behind_their_rows_are_listed_once_each() {
    let server = server();
    let session = client(
        &server,
        &[
            "DO $$ BEGIN FOR i IN 1..6 LOOP \
               EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY)', i); \
               EXECUTE format('INSERT INTO t%s SELECT g FROM generate_series(1, 10) g', i); \
               PERFORM setval(format('t%s_id_seq', i), 10 + i); \
           END LOOP; END $$",
            "CREATE TABLE p (id serial, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
            "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (9)",
            "INSERT INTO p SELECT g, 1 FROM generate_series(1, 80) g",
            "SELECT setval('p_id_seq', 2); SELECT setval('t2_id_seq', 1); SELECT setval('t6_id_seq', 4)",
            "ANALYZE",
        ],
    );
    let names = |most: i64| -> Vec<String> {
        let keys = conditions::keys(&session, most).unwrap();
        keys.into_iter().map(|k| k.relation.name).collect()
    };
    assert_eq!(names(3), ["t5", "t4", "t3", "t6", "p", "t2"]);
    assert_eq!(names(7), ["t5", "t4", "t3", "t1", "t6", "p", "t2"]);

    // One that begins anew before its column is full has no end; it may still be behind.
    session
        .simple("ALTER SEQUENCE t5_id_seq MAXVALUE 20 CYCLE; SELECT setval('t5_id_seq', 3)")
        .unwrap();
    assert_eq!(names(2), ["t5", "t4", "p", "t2"]);
    let keys = conditions::keys(&session, 7).unwrap();
    let t5 = keys.iter().find(|k| k.relation.name == "t5").unwrap();
    assert!(t5.begins_anew && t5.used() == 0.0 && t5.limit == 20, "{t5:?}");
}
