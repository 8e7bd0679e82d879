//! Private servers: they answer, they refuse clearly, and nothing of them outlives us.

#[path = "common/installation.rs"]
mod installation;

use pgward_pg::clock;
use pgward_pg::prelude::*;
use pgward_pg::server::{GuardedDir, PrivateServer, ServerOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const HOLD: &str = "PGWARD_TEST_HOLD";

fn options() -> ServerOptions {
    ServerOptions::new(installation::installation()).set("fsync", "off")
}

fn alive(pid: &str) -> bool {
    Path::new("/proc").join(pid).join("cwd").read_link().is_ok()
}

#[test]
fn a_server_answers_on_socket_and_tcp_and_is_gone_when_dropped() {
    let server = PrivateServer::create(&options().set("work_mem", "5MB")).unwrap();
    let root = server.root_dir().to_owned();
    let session = Session::connect(&server.target(), Purpose::Private).unwrap();
    let show = |name: &str| {
        session.query_one::<String>("SELECT pg_catalog.current_setting($1)", &[&name]).unwrap()
    };
    assert_eq!(show("work_mem"), "5MB");
    assert_eq!(show("data_checksums"), "on");
    assert_eq!(show("server_encoding"), "UTF8");
    assert_eq!(show("data_directory"), server.data_dir().display().to_string());
    session.simple("CREATE ROLE site LOGIN PASSWORD 'it''s a \\ secret'").unwrap();
    let site = server.tcp_target("site", "it's a \\ secret");
    let other = Session::connect(&site, Purpose::Private).unwrap();
    assert_eq!(other.query_one::<String>("SELECT current_user::text", &[]).unwrap(), "site");
    let wrong = Session::connect(&server.tcp_target("site", "no"), Purpose::Private);
    assert_eq!(wrong.err().unwrap().sqlstate(), Some("28P01"));
    assert!(server.log_dir().read_dir().unwrap().count() >= 3);
    drop(server);
    assert!(!root.exists());
}

#[test]
fn a_server_can_be_killed_and_started_again_and_its_directory_kept() {
    let server = PrivateServer::create(&options()).unwrap();
    let session = Session::connect(&server.target(), Purpose::Private).unwrap();
    session.simple("CREATE TABLE kept AS SELECT 1 AS one").unwrap();
    server.halt();
    assert!(server.has_ended());
    server.start_again().unwrap();
    let again = Session::connect(&server.target(), Purpose::Private).unwrap();
    assert_eq!(again.query_one::<i32>("SELECT one FROM kept", &[]).unwrap(), 1);
    server.halt();

    let data_dir = server.data_dir().to_owned();
    let second = PrivateServer::start_on(&data_dir, &options()).unwrap();
    let session = Session::connect(&second.target(), Purpose::Private).unwrap();
    assert_eq!(session.query_one::<i32>("SELECT one FROM kept", &[]).unwrap(), 1);
    second.stop();
    assert!(data_dir.join("PG_VERSION").exists());
}

/// A volume of its own is full for the server and for nobody else, and gone with it.
#[test]
fn a_small_disk_fills_and_goes_with_its_server() {
    let small = ServerOptions { disk_bytes: Some(160 << 20), ..options() };
    if !nix::unistd::geteuid().is_root() {
        let error = PrivateServer::create(&small).err().unwrap().to_string();
        assert!(error.contains("only root may mount"), "{error}");
        return;
    }
    let server = PrivateServer::create(&small.set("max_wal_size", "32MB")).unwrap();
    let disk = server.data_dir().to_owned();
    let session = Session::connect(&server.target(), Purpose::Private).unwrap();
    let error = session
        .simple(
            "CREATE UNLOGGED TABLE t AS SELECT repeat('x', 1900) FROM generate_series(1, 90000)",
        )
        .unwrap_err();
    assert_eq!(error.sqlstate(), Some("53100"), "{error}");
    drop(server);
    assert!(!disk.exists());
}

#[test]
fn a_server_that_does_not_start_says_why() {
    let error = PrivateServer::create(&options().set("work_mem", "lots")).err().unwrap();
    assert!(error.to_string().contains("invalid value for parameter \"work_mem\""), "{error}");
    let mut nowhere = options();
    nowhere.parent = Some("/no/such/place".into());
    let error = PrivateServer::create(&nowhere).err().unwrap();
    assert!(error.to_string().contains("/no/such/place"), "{error}");
}

/// Not a test by itself: the next one runs it in a process that it kills.
#[test]
fn hold_a_server_for_the_parent() {
    if std::env::var_os(HOLD).is_none() {
        return;
    }
    let server = PrivateServer::create(&options()).unwrap();
    let ours = GuardedDir::for_us().unwrap();
    std::fs::write(ours.path().join("side.dump"), "rows").unwrap();
    let (root, dir) = (server.root_dir().display(), ours.path().display());
    println!("\nheld {} {root} {dir}", server.pid());
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read_line(&mut String::new());
    panic!("ended by the parent before");
}

#[test]
fn nothing_is_left_when_the_process_is_killed() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hold_a_server_for_the_parent", "--nocapture"])
        .env(HOLD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.map(Result::unwrap).find(|l| l.starts_with("held ")).unwrap();
    let mut words = line.split(' ').skip(1);
    let pid = words.next().unwrap().to_owned();
    let dirs: Vec<String> = words.map(str::to_owned).collect();
    assert!(alive(&pid) && dirs.len() == 2 && dirs.iter().all(|d| Path::new(d).exists()));
    let ours = std::fs::metadata(dirs.last().unwrap()).unwrap();
    assert_eq!(ours.permissions().mode() & 0o777, 0o700, "it may hold rows");
    assert_eq!(ours.uid(), std::fs::metadata("/proc/self").unwrap().uid());
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    let gone = clock::poll(Duration::from_secs(30), Duration::from_millis(20), || {
        let none = dirs.iter().all(|d| !Path::new(d).exists());
        Ok::<_, ()>((!alive(&pid) && none).then_some(()))
    });
    assert_eq!(gone, Ok(Some(())), "{line} is still there");
}
