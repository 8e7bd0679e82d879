//! Every sampler reads a real server of whatever major, and a lock queue and a dropped table
//! are seen as what they are.
#![allow(clippy::unwrap_used)]

#[path = "../../pg/tests/common/installation.rs"]
mod installation;

use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_pg::{clock, install};
use pgward_watch::watcher::{Options, Watcher};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const SHOP: &str = "\
CREATE SCHEMA stats;
CREATE EXTENSION pg_stat_statements SCHEMA stats;
CREATE TABLE orders AS SELECT g AS id, 'x' AS note FROM generate_series(1, 1000) g;
CREATE TABLE accounts AS SELECT g AS id FROM generate_series(1, 1000) g";

/// Asks `orders` again and again, as a site does, until the server ends it.
fn site(target: &Target) -> std::thread::JoinHandle<()> {
    let session = Session::connect(target, Purpose::Application("site")).unwrap();
    std::thread::spawn(move || {
        while session.query("SELECT note FROM public.orders WHERE id = 1", &[]).is_ok() {
            std::thread::sleep(Duration::from_millis(20)); // a site's pace
        }
    })
}

/// Ticks once a second until a cause is likely.
fn until_likely(watcher: &mut Watcher, cause: &str) {
    let likely =
        |judged: &Judged| judged.cause == cause && matches!(judged.verdict, Verdict::Likely { .. });
    let ready = clock::poll(Duration::from_secs(30), Duration::from_secs(1), || {
        watcher.tick();
        let there = watcher.incident().is_some_and(|i| i.verdicts.iter().any(likely));
        Ok::<_, pgward_pg::error::Error>(there.then_some(()))
    });
    let verdicts = watcher.incident().map(|i| &i.verdicts);
    assert!(ready.unwrap().is_some(), "{cause}: {verdicts:#?}\n{:#?}", gaps(watcher));
}

fn gaps(watcher: &Watcher) -> BTreeSet<String> {
    let samples = watcher.window().samples.iter();
    samples.flat_map(|s| &s.gaps).map(|g| format!("{}: {}", g.sampler, g.why)).collect()
}

#[test]
fn every_sampler_reads_and_two_accidents_are_named() {
    let options = ServerOptions::new(installation::installation())
        .set("fsync", "off")
        .set("shared_preload_libraries", "pg_stat_statements");
    let server = PrivateServer::create(&options).unwrap();
    let admin = Session::connect(&server.target(), Purpose::Private).unwrap();
    admin.simple(SHOP).unwrap();
    install::install(&admin).unwrap();
    let deploy = || Session::connect(&server.target(), Purpose::Application("deploy")).unwrap();
    let mut watcher = Watcher::start(Options {
        server: "shop".to_owned(),
        target: server.target(),
        probe_target: None,
        scan: Arc::new(AtomicBool::new(true)),
        known_changes: Vec::new(),
        healthy_s: 300.0,
    })
    .unwrap();
    let sites: Vec<_> = (0..6).map(|_| site(&server.target())).collect();
    // A baseline ends 6 s before now; the slowest sampler runs every 10 s.
    let baseline = clock::Deadline::after(Duration::from_secs(16));
    clock::poll(Duration::from_secs(17), Duration::from_secs(1), || {
        watcher.tick();
        Ok::<_, pgward_pg::error::Error>(baseline.passed().then_some(()))
    })
    .unwrap();
    assert_eq!(gaps(&watcher), BTreeSet::new());
    let samples = &watcher.window().samples;
    assert!(samples.iter().any(|s| s.statements.as_ref().is_some_and(|s| !s.is_empty())));
    assert!(samples.iter().any(|s| s.tables.as_ref().is_some_and(|t| t.len() == 2)));
    assert!(samples.iter().any(|s| s.wal.is_some()));

    let (reader, migration) = (deploy(), deploy());
    reader.simple("BEGIN; SELECT FROM orders LIMIT 1").unwrap();
    let waits = std::thread::spawn(move || migration.simple("ALTER TABLE orders ADD COLUMN z int"));
    until_likely(&mut watcher, "lock_ddl_queue");
    reader.simple("COMMIT").unwrap();
    waits.join().unwrap().unwrap();

    deploy().simple("DROP TABLE orders").unwrap();
    until_likely(&mut watcher, "schema_data_loss");
    sites.into_iter().for_each(|s| s.join().unwrap());
}
