//! Backups, side servers and clones of a real server, and what its WAL tells.

#[path = "../../pg/tests/common/installation.rs"]
mod installation;

use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_pg::tools;
use pgward_sandbox::backup::{self, Vault, Wanted};
use pgward_sandbox::clone::{self, CloneOptions};
use pgward_sandbox::error::Error;
use pgward_sandbox::side::{self, Point, SideOptions};
use pgward_sandbox::wal::{self, Ended, Lsn, WalSource};
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tempfile::TempDir;

/// An archiving server and the vault it archives to.
struct Archived {
    server: PrivateServer,
    vault: Vault,
    installation: Installation,
    _dir: TempDir,
}

fn archived() -> Archived {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::Builder::new()
        .prefix("pgward-test-")
        .permissions(std::fs::Permissions::from_mode(0o711))
        .tempdir()
        .expect("a temporary directory can be made");
    let vault = Vault::open(&dir.path().join("it's 100%")).expect("a vault can be made");
    let installation = installation::installation();
    let options = ServerOptions::new(installation.clone())
        .set("fsync", "off")
        .set("archive_mode", "on")
        .set("archive_command", &backup::archive_command(&vault));
    let server = PrivateServer::create(&options).expect("a server starts");
    Archived { server, vault, installation, _dir: dir }
}

impl Archived {
    fn session(&self) -> Session {
        Session::connect(&self.server.target(), Purpose::Private).expect("it answers")
    }

    fn side(&self, backup: &backup::Backup, point: Point) -> Result<side::SideServer, Error> {
        let mut options = SideOptions::new(self.installation.clone());
        options.within = Duration::from_secs(60);
        side::start(&self.vault, backup, &point, &options)
    }
}

fn count(target: &Target, sql: &str) -> i64 {
    let session = Session::connect(target, Purpose::Private).expect("it answers");
    session.query_one(sql, &[]).expect("it counts")
}

#[test]
fn a_backup_goes_to_any_point_and_becomes_a_clone() {
    if installation::lacks(&["pg_basebackup", "pg_verifybackup"]) {
        return;
    }
    let a = archived();
    let session = a.session();
    session.simple("CREATE DATABASE \"Shop\"").unwrap();
    let shop = a.server.target().with_database("Shop");
    let session = Session::connect(&shop, Purpose::Private).unwrap();
    session.simple("CREATE TABLE t AS SELECT 1 AS id").unwrap();
    let taken = backup::take(&a.server.target(), &a.installation, &a.vault).unwrap();
    assert_eq!(taken.unverified, None);
    assert!(taken.start_lsn < taken.stop_lsn && taken.bytes > 20 << 20);
    assert_eq!(backup::list(&a.vault).unwrap(), std::slice::from_ref(&taken));

    session.simple("INSERT INTO t VALUES (2)").unwrap();
    let middle: String =
        session.query_one("SELECT pg_current_wal_insert_lsn()::text", &[]).unwrap();
    session.simple("INSERT INTO t VALUES (3), (4)").unwrap();
    let flushed = backup::flush_wal(&session, &a.vault).unwrap();
    assert!(flushed > middle.parse().unwrap());
    assert!(backup::flush_wal(&session, &a.vault).unwrap() >= flushed);

    let rows = "SELECT count(*) FROM t";
    for (point, expected) in [(Point::Consistent, 1), (Point::BeforeLsn(middle), 2)] {
        let side = a.side(&taken, point).unwrap();
        assert_eq!(count(&side.target().with_database("Shop"), rows), expected);
        assert!(!side.is_promoted().unwrap());
    }
    let latest = a.side(&taken, Point::Latest).unwrap();
    let target = latest.target().with_database("Shop");
    assert_eq!(count(&target, rows), 4);
    session.simple("INSERT INTO t VALUES (5)").unwrap();
    let lsn = backup::flush_wal(&session, &a.vault).unwrap();
    latest.wait_replayed(lsn, Duration::from_secs(30)).unwrap();
    assert_eq!(count(&target, rows), 5);

    session.simple("INSERT INTO t VALUES (6)").unwrap();
    let copy =
        clone::make(&shop, Some(&a.vault), &CloneOptions::new(a.installation.clone())).unwrap();
    assert_eq!(count(&copy.target(), rows), 6);
    let rehearsal = Session::connect(&copy.target(), Purpose::Private).unwrap();
    rehearsal.simple("DROP TABLE t").unwrap();
    assert_eq!(count(&shop, rows), 6);
    assert!(copy.how.starts_with("backup"), "{}", copy.how);
}

#[test]
fn an_interrupted_backup_leaves_nothing_and_what_a_killed_one_left_is_named() {
    if installation::lacks(&["pg_basebackup"]) {
        return;
    }
    let a = archived();
    let stop = AtomicBool::new(true);
    let taken = backup::take_until(&a.server.target(), &a.installation, &a.vault, &stop);
    let error = taken.unwrap_err().to_string();
    assert!(error.contains("pg_basebackup failed with signal"), "{error}");
    let left = |name: &str| a.vault.backups_dir().join(name);
    for name in ["lost+found", "20261121T050000Z", "20261121T050000Z.tablespaces"] {
        std::fs::create_dir(left(name)).unwrap();
    }
    let unfinished = [left("20261121T050000Z"), left("20261121T050000Z.tablespaces")];
    assert_eq!(backup::unfinished(&a.vault).unwrap(), unfinished);
    assert!(backup::list(&a.vault).unwrap().is_empty());
}

#[test]
fn a_clone_without_backup_is_dumped_within_limits() {
    if installation::lacks(&["pg_dumpall", "pg_dump", "pg_restore", "psql"]) {
        return;
    }
    let a = archived();
    let session = a.session();
    session
        .simple(
            "CREATE ROLE deploy LOGIN PASSWORD 'x'; CREATE TABLE t(id int PRIMARY KEY); \
             INSERT INTO t SELECT generate_series(1, 10); ALTER TABLE t OWNER TO deploy",
        )
        .unwrap();
    let mut options = CloneOptions::new(a.installation.clone());
    let copy = clone::make(&a.server.target(), Some(&a.vault), &options).unwrap();
    assert_eq!(count(&copy.target(), "SELECT count(*) FROM t"), 10);
    assert_eq!(
        count(&copy.target(), "SELECT count(*) FROM pg_tables WHERE tableowner = 'deploy'"),
        1
    );
    options.dump_bytes_max = 1000;
    let error = clone::make(&a.server.target(), None, &options).err().unwrap();
    assert!(matches!(error, Error::CloneTooBig { .. }), "{error}");
}

#[test]
fn a_backup_that_cannot_serve_is_refused_with_the_reason() {
    if installation::lacks(&["pg_basebackup", "pg_verifybackup"]) {
        return;
    }
    let a = archived();
    let taken = backup::take(&a.server.target(), &a.installation, &a.vault).unwrap();
    let right = Wanted {
        system_identifier: taken.system_identifier,
        timeline: Some(taken.timeline),
        before: Some(taken.stop_lsn),
    };
    assert_eq!(backup::choose(&a.vault, &right).unwrap(), taken);
    let mut other = right.clone();
    other.system_identifier += 1;
    let mut early = right.clone();
    early.before = Some(taken.start_lsn);
    let mut elsewhere = right.clone();
    elsewhere.timeline = Some(7);
    for (wanted, words) in [
        (other, "is of another server"),
        (early, "is consistent only from"),
        (elsewhere, "is of timeline 1, not an ancestor of 7"),
    ] {
        let error = backup::choose(&a.vault, &wanted).err().unwrap().to_string();
        assert!(error.contains(words), "{error}");
    }
    let error = a.side(&taken, Point::BeforeLsn("7F/0".into())).err().unwrap().to_string();
    assert!(error.contains("the archive has no WAL up to that point"), "{error}");
}

#[test]
fn the_archive_keeps_the_first_of_two_different_segments() {
    let a = archived();
    let session = a.session();
    session.simple("CREATE TABLE t()").unwrap();
    backup::flush_wal(&session, &a.vault).unwrap();
    let (name, _) = wal::segments_in(&a.vault.wal_dir()).pop_first().unwrap();
    let kept = a.vault.wal_dir().join(&name);
    let before = std::fs::read(&kept).unwrap();
    let command = |path: &str| {
        let command = backup::archive_command(&a.vault)
            .replace("%p", path)
            .replace("%f", &name)
            .replace("%%", "%");
        tools::run(
            std::path::Path::new("/bin/sh"),
            &["-c", &command],
            &[],
            Duration::from_secs(10),
            tools::RunAs::Us,
        )
    };
    command(&kept.display().to_string()).unwrap();
    let other = a.vault.dir.join("other");
    std::fs::write(&other, "another server's").unwrap();
    assert!(command(&other.display().to_string()).is_err());
    assert_eq!(std::fs::read(&kept).unwrap(), before);
}

#[test]
fn the_wal_tells_who_dropped_a_table_and_which_rows_were_changed() {
    if installation::lacks(&["pg_basebackup", "pg_verifybackup", "pg_waldump"]) {
        return;
    }
    let a = archived();
    let session = a.session();
    let taken = backup::take(&a.server.target(), &a.installation, &a.vault).unwrap();
    session
        .simple(
            "CREATE TABLE t(id int, v text); INSERT INTO t SELECT g, 'x' FROM \
             generate_series(1, 500) g",
        )
        .unwrap();
    let ids = "SELECT oid::int8 * 1000000 + pg_relation_filenode(oid)::int8 FROM pg_class \
               WHERE relname = 't'";
    let ids: i64 = session.query_one(ids, &[]).unwrap();
    let (oid, file) = ((ids / 1_000_000) as u32, (ids % 1_000_000) as u32);
    let database: u32 =
        session.query_one("SELECT oid FROM pg_database WHERE datname = 'postgres'", &[]).unwrap();
    let change = "BEGIN; UPDATE t SET v = repeat('y', 1000) WHERE id <= 100; \
                  DELETE FROM t WHERE id > 490; \
                  SAVEPOINT s; UPDATE t SET v = 'z' WHERE id = 200; RELEASE s; ";
    session.simple(change).unwrap();
    let xid: i64 = session.query_one("SELECT pg_current_xact_id()::text::int8", &[]).unwrap();
    session.simple("COMMIT").unwrap();
    session.simple("BEGIN; SAVEPOINT s; DROP TABLE t; COMMIT").unwrap();
    backup::flush_wal(&session, &a.vault).unwrap();

    let source = WalSource::of(&a.vault, &taken, None, &a.installation);
    let seen = wal::transaction(&source, xid as u64).unwrap();
    assert_eq!((seen.ended, seen.subxids.len()), (Ended::Committed, 1));
    assert_eq!(wal::transaction(&source, seen.subxids[0].into()).unwrap(), seen);
    let touched = seen.relations.iter().find(|t| t.relfilenode == file).unwrap();
    assert_eq!((touched.updated, touched.deleted), (101, 10));
    let rows = wal::old_rows(&source, &seen, database, file).unwrap();
    assert_eq!((rows.len(), rows.iter().filter(|r| r.deleted).count()), (111, 10));

    let dropper = wal::dropper_of(&source, database, file).unwrap();
    assert!(dropper.removed_files.contains(&format!("base/{database}/{file}")));
    let stop = dropper.before_lock(Some(oid));
    assert!(stop >= dropper.first_lsn && stop < dropper.end_lsn.unwrap());
    let side = a.side(&taken, Point::BeforeLsn(stop.to_string())).unwrap();
    assert_eq!(count(&side.target(), "SELECT count(*) FROM t"), 490);
    let side = a.side(&taken, Point::BeforeLsn(seen.before_end(oid).to_string())).unwrap();
    assert_eq!(count(&side.target(), "SELECT count(*) FROM t WHERE v = 'x'"), 500);

    let missing = wal::dropper_of(&source, database, 1).err().unwrap();
    assert!(matches!(missing, Error::NotInWal { .. }), "{missing}");
    let nowhere = source.starting_at(Lsn(1 << 40));
    assert!(matches!(wal::transaction(&nowhere, 1), Err(Error::Wal { .. })));
}

#[test]
fn a_tablespace_is_backed_up_and_restored_beside_the_original() {
    if installation::lacks(&["pg_basebackup", "pg_verifybackup"]) {
        return;
    }
    let a = archived();
    let session = a.session();
    let place = a.server.root_dir().join("space");
    std::fs::create_dir(&place).unwrap();
    pgward_pg::server::give_to_server_user(&place, 0o700).unwrap();
    session.simple(&format!("CREATE TABLESPACE far LOCATION '{}'", place.display())).unwrap();
    session.simple("CREATE TABLE t TABLESPACE far AS SELECT 1 AS id").unwrap();
    let taken = backup::take(&a.server.target(), &a.installation, &a.vault).unwrap();
    assert_eq!(taken.tablespaces.len(), 1);
    session.simple("INSERT INTO t VALUES (2)").unwrap();
    backup::flush_wal(&session, &a.vault).unwrap();
    let side = a.side(&taken, Point::Latest).unwrap();
    assert_eq!(count(&side.target(), "SELECT count(*) FROM t"), 2);
    side.promote().unwrap();
    let other = Session::connect(&side.target(), Purpose::Private).unwrap();
    other.simple("INSERT INTO t VALUES (3); CHECKPOINT").unwrap();
    assert_eq!(count(&a.server.target(), "SELECT count(*) FROM t"), 2);
}
