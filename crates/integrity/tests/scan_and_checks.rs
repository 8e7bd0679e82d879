//! The page scan and the checks against a real server.

#![allow(clippy::unwrap_used)] // A test fails by a panic.

#[path = "../../pg/tests/common/installation.rs"]
mod installation;

use pgward_integrity::checks;
use pgward_integrity::page_scan::{self, ScanReport, Scanner};
use pgward_model::name::Relation;
use pgward_model::sample::DamagedBlock;
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::time::Duration;

fn server() -> PrivateServer {
    let options = ServerOptions::new(installation::installation())
        .set("fsync", "off")
        .set("autovacuum", "off");
    PrivateServer::create(&options).unwrap()
}

fn admin(server: &PrivateServer) -> Session {
    Session::connect(&server.target(), Purpose::Private).unwrap()
}

/// One pass over everything, as fast as it goes.
fn pass(scanner: &mut Scanner) -> ScanReport {
    let mut all = ScanReport::default();
    let deadline = clock::Deadline::after(Duration::from_secs(60));
    while !all.pass_complete {
        assert!(!deadline.passed(), "{} blocks, {:?}", all.blocks_scanned, all.gaps);
        let report = scanner.tick(Duration::from_millis(50));
        all.damaged.extend(report.damaged);
        all.blocks_scanned += report.blocks_scanned;
        all.gaps.extend(report.gaps);
        all.pass_complete = report.pass_complete;
    }
    all
}

/// Spoils the middle of blocks on disk while the server is down.
fn damage(server: &PrivateServer, relation: &str, blocks: &[u64]) -> String {
    let sql = format!("SELECT pg_relation_filepath('{relation}')");
    let path: String = admin(server).query_one(&sql, &[]).unwrap();
    admin(server).simple("CHECKPOINT").unwrap();
    server.halt();
    let file = std::fs::OpenOptions::new().write(true).open(server.data_dir().join(&path)).unwrap();
    for block in blocks {
        file.write_all_at(&[0xAA; 40], block * 8192 + 4096).unwrap();
    }
    server.start_again().unwrap();
    path
}

const SETUP: &str = "\
CREATE SCHEMA \"my Shop\";
CREATE TABLE \"my Shop\".orders AS SELECT g id, repeat('x', 100) note
    FROM generate_series(1, 60000) g;
CREATE TABLE papers (id int, text text);
ALTER TABLE papers ALTER text SET STORAGE EXTERNAL;
INSERT INTO papers SELECT g, repeat('y', 6000) FROM generate_series(1, 200) g;
CREATE TABLE secret AS SELECT 1 a;
CREATE ROLE scan LOGIN PASSWORD 'scan';
GRANT pg_read_all_data TO scan";

#[test]
fn every_damaged_block_is_found_and_nothing_else() {
    let server = server();
    admin(&server).simple(SETUP).unwrap();
    let mut scanner = Scanner::with_rate(server.target().with_role("scan"), 1e9);
    assert_eq!(pass(&mut scanner).damaged, []); // The first pass reads catalogs too.
    let healthy = pass(&mut scanner);
    assert_eq!(healthy.damaged, []);
    assert_eq!(healthy.gaps, []);
    assert!(healthy.blocks_scanned > 1_000, "{healthy:?}");

    let orders = damage(&server, "\"my Shop\".orders", &[3, 4, 700]);
    let toast: String = admin(&server)
        .query_one(
            "SELECT reltoastrelid::regclass::text FROM pg_class WHERE relname = 'papers'",
            &[],
        )
        .unwrap();
    damage(&server, &toast, &[11]);
    pass(&mut scanner); // The server was down: a gap, and the rest of the pass.
    let found = pass(&mut scanner);
    let blocks: BTreeSet<_> =
        found.damaged.iter().map(|d| (d.relation.name.clone(), d.block)).collect();
    let toast = Relation::new("pg_toast", toast.trim_start_matches("pg_toast."));
    let expected = [("orders", 3), ("orders", 4), ("orders", 700), (toast.name.as_str(), 11)];
    assert_eq!(blocks, expected.map(|(n, b)| (n.to_owned(), b)).into());
    let first = found.damaged.iter().find(|d| d.block == 3).unwrap();
    assert_eq!(first.relation, Relation::new("my Shop", "orders"));
    assert_eq!(first.path, orders);
    assert!(first.message.contains("invalid page in block 3"), "{first:?}");
    assert_eq!(found.blocks_scanned, healthy.blocks_scanned);

    let session = admin(&server);
    let relation = Relation::new("my Shop", "orders");
    let again = page_scan::read_block(&session, &relation, 700).unwrap();
    assert_eq!(again.map(|d: DamagedBlock| d.block), Some(700));
    assert_eq!(page_scan::read_block(&session, &relation, 5).unwrap(), None);
    let failures = checks::run(checks::find("checksum_failures").unwrap(), &session);
    assert_eq!(failures.problems.len(), 1, "{failures:?}");
}

#[test]
fn the_scan_writes_nothing_and_waits_for_nobody() {
    let server = server();
    let session = admin(&server);
    session.simple(SETUP).unwrap();
    session.simple("CHECKPOINT").unwrap();
    let wal = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint";
    let wal = || -> i64 { session.query_one(wal, &[]).unwrap() };
    let before = wal();
    let mut scanner = Scanner::with_rate(server.target().with_role("scan"), 1e9);
    pass(&mut scanner); // The first pass reads catalogs too.
    let free = pass(&mut scanner);
    // Reading rows would have logged each of 1,000 fresh pages; catalogs log a few.
    assert!(wal() - before < 500_000, "{} bytes of WAL", wal() - before);

    let mut begun = Scanner::with_rate(server.target().with_role("scan"), 1e9);
    begun.tick(Duration::from_millis(1));
    let other = admin(&server);
    other.simple("BEGIN").unwrap();
    other.simple("LOCK TABLE papers IN ACCESS EXCLUSIVE MODE").unwrap();
    let begin = clock::instant();
    let locked = pass(&mut scanner);
    assert!(begin.elapsed() < Duration::from_secs(60));
    assert!(locked.gaps.iter().any(|g| g.why.contains("papers left out")), "{:?}", locked.gaps);
    assert!(locked.blocks_scanned < free.blocks_scanned);
    let since = pass(&mut begun);
    assert!(since.gaps.iter().any(|g| g.why.contains("papers left out")), "{:?}", since.gaps);
    other.simple("ROLLBACK").unwrap();
    assert_eq!(pass(&mut scanner).blocks_scanned, free.blocks_scanned);

    session.simple("CREATE ROLE stranger LOGIN").unwrap();
    let mut blind = Scanner::with_rate(server.target().with_role("stranger"), 1e9);
    let blind = pass(&mut blind);
    let why = &blind.gaps.first().unwrap().why;
    assert!(why.contains("GRANT pg_read_all_data TO stranger"), "{why}");
}

#[test]
fn the_scan_keeps_its_rate() {
    let server = server();
    admin(&server).simple(SETUP).unwrap();
    let mut scanner = Scanner::with_rate(server.target(), 4e6);
    scanner.tick(Duration::from_millis(10));
    let n: u64 = (0..4).map(|_| scanner.tick(Duration::from_millis(500)).blocks_scanned).sum();
    // 2 s at 4 MB/s are 977 blocks; a portion of 256 more at each end.
    assert!((256..=1_500).contains(&n), "{n}");
}

fn found(session: &Session, id: &str) -> Vec<String> {
    let result = checks::run(checks::find(id).unwrap(), session);
    assert_eq!(result.gap, None, "{id}");
    result.problems.into_iter().map(|p| p.evidence.claim).collect()
}

#[test]
fn each_check_finds_its_trouble_and_is_silent_without() {
    let server = server();
    let session = admin(&server);
    session
        .simple(
            "CREATE TABLE parents (id int PRIMARY KEY, at timestamptz); \
             CREATE TABLE children (id serial PRIMARY KEY, parent int REFERENCES parents); \
             INSERT INTO parents SELECT g FROM generate_series(1, 5000) g; \
             INSERT INTO children (parent) SELECT g FROM generate_series(1, 100) g",
        )
        .unwrap();
    session.simple("VACUUM ANALYZE").unwrap();
    for check in checks::CHECKS.iter().filter(|c| c.id != "durability_off") {
        assert_eq!(found(&session, check.id), Vec::<String>::new(), "{}", check.id);
    }
    assert_eq!(found(&session, "durability_off").len(), 1); // fsync of this very server

    session.simple("ALTER TABLE children DISABLE TRIGGER ALL").unwrap();
    session.simple("INSERT INTO children (parent) VALUES (9999), (NULL)").unwrap();
    session.simple("SELECT setval('children_id_seq', 2000000000)").unwrap();
    session
        .simple("ALTER TABLE children ADD CONSTRAINT small CHECK (parent < 9) NOT VALID")
        .unwrap();
    session.simple("INSERT INTO parents (id) VALUES (-1), (-2)").unwrap();
    session.simple("UPDATE parents SET at = 'epoch' WHERE id < 0").unwrap();
    session.simple("CREATE UNIQUE INDEX CONCURRENTLY twice ON parents (at)").unwrap_err();
    for (id, words) in [
        ("orphan_rows", "1 rows of children break children_parent_fkey"),
        ("disabled_trigger", "foreign key children_parent_fkey of children is switched off"),
        ("sequence_near_end", "sequence children_id_seq is at 2000000000 of 2147483647 (column"),
        ("unvalidated_constraint", "constraint small of children is not validated"),
        ("invalid_index", "index twice of parents is invalid"),
    ] {
        let claims = found(&session, id);
        assert!(claims.iter().any(|c| c.contains(words)), "{id}: {claims:?}");
    }
    let all = checks::run_all(&session);
    assert_eq!(all.len(), checks::CHECKS.len());
}

#[test]
fn a_page_of_zeros_shows_in_the_counts() {
    let server = server();
    let session = admin(&server);
    session.simple("CREATE TABLE t AS SELECT g id FROM generate_series(1, 5000) g").unwrap();
    session.simple("ALTER TABLE t ADD PRIMARY KEY (id)").unwrap();
    session.simple("VACUUM ANALYZE t").unwrap();
    session.simple("CHECKPOINT").unwrap();
    let path: String = session.query_one("SELECT pg_relation_filepath('t')", &[]).unwrap();
    drop(session);
    server.halt();
    let file = std::fs::OpenOptions::new().write(true).open(server.data_dir().join(&path)).unwrap();
    file.write_all_at(&[0; 8192], 2 * 8192).unwrap();
    server.start_again().unwrap();
    let claims = found(&admin(&server), "count_parity");
    assert_eq!(claims, ["t has 4774 rows, its primary key 5000"]);
}
