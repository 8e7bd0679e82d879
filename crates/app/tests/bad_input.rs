//! What a newcomer gets wrong: each case ends with exit code 2 and a paragraph that names the
//! object and the way out, and leaves nothing behind.
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

#[path = "../../pg/tests/common/installation.rs"]
mod installation;

use pgward_pg::clock;
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A drill sets its stage within this time, also on a slow machine.
const STAGED_WITHIN: Duration = Duration::from_secs(120);
/// What a killed drill leaves is gone within this time.
const GONE_WITHIN: Duration = Duration::from_secs(60);

fn pgward(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgward"));
    command.current_dir(dir).stdin(Stdio::null());
    for name in ["DATABASE_URL", "PGWARD_VAULT", "PGWARD_RESPONDER_URL", "PGPASSWORD"] {
        command.env_remove(name);
    }
    command
}

fn dir() -> TempDir {
    tempfile::Builder::new()
        .prefix("pgward-test-")
        .permissions(fs::Permissions::from_mode(0o777))
        .tempdir()
        .expect("a temporary directory can be made")
}

/// Runs it and demands exit code 2, every word of `says` on standard error, and nothing but
/// words in `dir`.
fn check(dir: &Path, args: &[&str], says: &[&str]) {
    let before = names(dir);
    let output = pgward(dir).args(args).output().expect("pgward starts");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
    for word in says {
        assert!(told.contains(word), "{args:?}: `{word}` is not in: {told}");
    }
    assert!(!told.contains("panicked"), "{args:?}: {told}");
    assert!(told.lines().count() <= 6, "{args:?}: no paragraph: {told}");
    assert_eq!(names(dir), before, "{args:?} left something behind");
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("the directory can be read");
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn servers_that_do_not_answer() {
    let dir = dir();
    let dir = dir.path();
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let port = silent.local_addr().expect("it is bound").port();
    let mute = format!("postgres://x@127.0.0.1:{port}/shop");
    check(dir, &["doctor", "--database", &mute], &["no answer within", "way out", "/shop"]);
    drop(silent);
    check(dir, &["doctor", "--database", &mute], &["refused", "way out", "/shop"]);
    let unknown = "postgres://x@no-such-host.invalid/shop";
    check(dir, &["diagnose", "--database", unknown], &["no-such-host.invalid", "way out"]);
    for url in ["postgres//x", "postgres://x@h:99999/db", "mysql://x@h/db"] {
        check(dir, &["doctor", "--database", url], &["not a connection URL", "postgres://user@"]);
    }
    check(dir, &["doctor", "--database", ""], &["no database", "DATABASE_URL"]);
    check(dir, &["doctor"], &["no database", "DATABASE_URL"]);
}

#[test]
fn files_that_are_no_changes() {
    let dir = dir();
    let dir = dir.path();
    fs::create_dir(dir.join("empty")).expect("a directory can be made");
    let write = |name: &str, bytes: &[u8]| fs::write(dir.join(name), bytes).expect("writes");
    write("binary.sql", b"\x7fELF\0\0");
    write("latin.sql", b"SELECT 1;\nSELECT 'caf\xe9';\n");
    write("blank.sql", b"-- nothing yet\n");
    check(dir, &["check", "no-such.sql"], &["no-such.sql", "no such file"]);
    check(dir, &["check", "empty"], &["empty", ".sql"]);
    check(dir, &["check", "binary.sql"], &["binary.sql", "binary"]);
    check(dir, &["check", "latin.sql"], &["latin.sql:2", "UTF-8"]);
    check(dir, &["check", "blank.sql"], &["blank.sql", "no SQL statement"]);
    write("dump.sql", "DROP TABLE a;\n".repeat(20_001).as_bytes());
    check(dir, &["check", "dump.sql"], &["dump.sql", "20001 statements", "a dump"]);
    check(dir, &["check", "-"], &["no SQL statement"]);
}

#[test]
fn files_that_are_no_logs() {
    let dir = dir();
    let dir = dir.path();
    fs::create_dir(dir.join("log")).expect("a directory can be made");
    let write = |name: &str, bytes: &[u8]| fs::write(dir.join(name), bytes).expect("writes");
    write("a.log", b"2026-11-21 03:24:37.457 UTC [9] LOG:  x\n");
    write("notes.txt", b"bread\nbutter\n");
    write("broken.log.gz", b"not packed at all");
    check(dir, &["logs", "no-such.log"], &["no-such.log", "no such log"]);
    check(dir, &["logs", "log"], &["log is a directory", "*.log"]);
    check(dir, &["logs", "notes.txt"], &["notes.txt", "`bread`", "--prefix"]);
    check(dir, &["logs", "broken.log.gz"], &["broken.log.gz", "cannot be read"]);
    check(
        dir,
        &["logs", "a.log", "--prefix", "%t %p "],
        &["a.log", "%t %p", "look like", "%m [%p]"],
    );
    check(dir, &["logs", "a.log", "--prefix", "%z"], &["a.log", "no %z"]);
    check(dir, &["logs", "a.log", "--since", "noon"], &["noon", "2026-11-21T03:00:00Z"]);
}

#[test]
fn daemons_that_cannot_be_told_what_to_watch() {
    let dir = dir();
    let dir = dir.path();
    fs::write(dir.join("typo.toml"), "[[server]]\ndatabse = \"postgres://x:secret@h/db\"\n")
        .expect("writes");
    let typo = ["watch", "--config", "typo.toml"];
    check(dir, &typo, &["typo.toml:2:1", "`databse`", "did you mean `database`?"]);
    check(dir, &["status", "--config", "none.toml"], &["none.toml", "no such configuration"]);
    check(dir, &["watch"], &["no database", "--database", "[[server]]"]);
    let server = ["--database", "postgres://x@127.0.0.1:1/x"];
    check(dir, &[&["top"][..], &server].concat(), &["needs a terminal", "pgward status"]);
    check(dir, &[&["event", " "][..], &server].concat(), &["deploy 4711"]);
    check(dir, &[&["event", "x", "--at", "soon"][..], &server].concat(), &["soon", "14:05"]);
    check(dir, &["ack", "x"], &["pgward-vault", "no vault", "--vault"]);
}

#[test]
fn histories_that_are_none() {
    let dir = dir();
    let dir = dir.path();
    fs::create_dir_all(dir.join("empty/history")).expect("a directory can be made");
    fs::create_dir(dir.join("new")).expect("a directory can be made");
    fs::write(dir.join("file"), "").expect("writes");
    check(dir, &["history"], &["pgward-vault", "no vault", "--vault"]);
    check(dir, &["history", "SELECT 1", "--vault", "file"], &["file", "no vault"]);
    for vault in ["empty", "new"] {
        let args = ["history", "SELECT * FROM ticks", "--vault", vault];
        check(dir, &args, &["no history", "pgward watch", vault]);
    }
    check(dir, &["history", "SELECT 1", "--timeout", "soon"], &["soon", "10s"]);
    check(dir, &["history", "SELECT 1", "--format", "xml"], &["xml", "csv"]);
}

#[test]
fn vaults_in_which_nothing_is_yet_say_so() {
    let dir = dir();
    let dir = dir.path();
    fs::create_dir(dir.join("vault")).expect("a directory can be made");
    let says = |args: &[&str], words: &str| {
        let output = pgward(dir).args(args).args(["--vault", "vault"]).output().expect("it starts");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {told}");
        assert!(told.contains(words) && told.lines().count() == 1, "{args:?}: {told}");
    };
    says(&["incidents"], "no incident is known");
    says(&["postmortem"], "no post-mortem is known");
    says(&["backup", "--list"], "no backup is known");
    let left = dir.join("vault/backups/20261121T050000Z");
    fs::create_dir(left).expect("a directory can be made");
    says(&["backup", "--list"], "/vault/backups/20261121T050000Z'");
}

#[test]
fn words_that_nobody_knows() {
    let dir = dir();
    let dir = dir.path();
    let scenario = include_str!("../../drill/scenarios/dropped_table.md");
    let typo = scenario.replace("```expect", "```expct");
    fs::write(dir.join("typo.md"), typo).expect("writes");
    let slip = scenario.replace("relation_vanished", "relation_vanish");
    fs::write(dir.join("slip.md"), slip).expect("writes");
    check(dir, &["explain", "no_such_id"], &["no_such_id", "pgward explain"]);
    check(dir, &["explain", "drop_tabel"], &["did you mean drop_table?"]);
    check(dir, &["explain", "Drop-Table"], &["did you mean drop_table?"]);
    check(dir, &["explain", "idle_tx"], &["lock_idle_tx"]);
    check(dir, &["drill", "no_such"], &["no_such", "dropped_table"]);
    check(dir, &["drill", "no_such.md"], &["no_such.md", "cannot be read", "--list"]);
    check(dir, &["drill", "typo.md"], &["typo.md:", "`expct`", "way out"]);
    check(dir, &["drill", "slip.md"], &["slip.md:66: ", "did you mean relation_vanished?"]);
    check(dir, &["drill", "all", "--postgres", "/no/such"], &["/no/such", "way out"]);
    check(dir, &["postmortem", "x"], &["pgward-vault", "no vault", "--vault"]);
    check(dir, &["check", "-", "--without", "luck"], &["luck", "rehearsal"]);
}

#[test]
fn a_change_may_come_from_standard_input() {
    let dir = dir();
    let mut child = pgward(dir.path())
        .args(["check", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("pgward starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"DROP TABLE orders;").expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("drop_table"));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let dir = dir();
    let mut child = pgward(dir.path())
        .arg("explain")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("pgward starts");
    drop(child.stdout.take());
    let mut told = String::new();
    let mut stderr = child.stderr.take().expect("it is piped");
    stderr.read_to_string(&mut told).expect("it is text");
    assert_eq!((child.wait().expect("it ends").code(), told.as_str()), (Some(0), ""));
}

#[test]
fn roles_that_may_not() {
    let dir = dir();
    let dir = dir.path();
    let options = ServerOptions::new(installation::installation()).set("fsync", "off");
    let server = PrivateServer::create(&options).expect("a server starts");
    let admin = Session::connect(&server.target(), Purpose::Private).expect("it answers");
    admin
        .simple("CREATE ROLE plain LOGIN PASSWORD 'plain'; CREATE TABLE public.orders (id bigint)")
        .expect("the setup runs");
    let url = |role: &str, password: &str, database: &str| {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", server.port())
    };
    let plain = url("plain", "plain", "postgres");
    fs::write(dir.join("one.sql"), "SELECT 1;").expect("writes");
    fs::create_dir(dir.join("vault")).expect("a directory can be made");
    let on = |args: &[&str], url: &str, says: &[&str]| {
        check(dir, &[args, &["--database", url]].concat(), says);
    };
    on(&["doctor"], &url("plain", "wrong", "postgres"), &["password", "plain", "way out"]);
    on(&["doctor"], &url("plain", "plain", "no_such"), &["no_such", "way out"]);
    on(&["install"], &plain, &["postgres", "permission denied", "owner or of a superuser"]);
    on(&["undo", "no_such"], &plain, &["no_such", "journal", "way out"]);
    on(&["apply", "one.sql"], &plain, &["journal", "permission denied", "pgward install"]);
    on(&["backup", "--vault", "vault"], &plain, &["pg_basebackup", "REPLICATION"]);
    on(&["restore", "--table", "orders"], &plain, &["pgward-vault", "pgward backup"]);
    let output = pgward(dir).args(["doctor", "--database", &plain]).output().expect("starts");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    for right in ["pg_monitor", "pg_read_all_data", "pg_signal_backend", "pgward install"] {
        assert!(told.contains(right), "{right}: {told}");
    }
}

/// A drill whose temporary files are in `dir/tmp`, once its load runs.
fn drill(dir: &Path, name: &str) -> Child {
    let tmp = dir.join(name);
    fs::create_dir(&tmp).expect("a directory can be made");
    fs::set_permissions(&tmp, fs::Permissions::from_mode(0o777)).expect("it is ours");
    let stderr = fs::File::create(dir.join(format!("{name}.log"))).expect("writes");
    let child = pgward(dir)
        .args(["drill", "rogue_update_script", "--postgres"])
        .arg(&installation::installation().bin_dir)
        .args(["--vault", &format!("{name}-vault")])
        .env("TMPDIR", &tmp)
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .expect("pgward starts");
    let staged = clock::poll(STAGED_WITHIN, Duration::from_millis(100), || {
        let told = fs::read_to_string(dir.join(format!("{name}.log")))?;
        Ok::<_, std::io::Error>(told.contains("learns what is normal").then_some(()))
    });
    assert!(staged.expect("the log can be read").is_some(), "{name}: no stage");
    child
}

/// Waits until nothing is left in the directory of temporary files and no process names it.
fn left_nothing(dir: &Path, name: &str) {
    let tmp = dir.join(name);
    let gone = clock::poll(GONE_WITHIN, Duration::from_millis(200), || {
        Ok::<_, std::io::Error>((names(&tmp).is_empty() && users_of(&tmp).is_empty()).then_some(()))
    });
    assert!(gone.expect("polls").is_some(), "{:?} {:?}", names(&tmp), users_of(&tmp));
}

/// Command lines that name a path below `dir`.
fn users_of(dir: &Path) -> Vec<String> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let lines = processes.filter_map(Result::ok).filter_map(|p| {
        let line = fs::read(p.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    let dir = dir.display().to_string();
    lines.filter(|line| line.contains(&dir)).collect()
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(status.expect("kill is there").success());
}

/// The second scenario is for a major that is not installed here.
#[test]
fn a_drill_that_cannot_go_on_shows_what_did_run() {
    if installation::lacks(&["pg_basebackup", "pg_verifybackup"]) {
        return;
    }
    let dir = dir();
    let dir = dir.path();
    let other = include_str!("../../drill/scenarios/dropped_table.md");
    fs::write(dir.join("other.md"), other.replace("postgres = \"14..\"", "postgres = \"9\""))
        .expect("writes");
    let output = pgward(dir)
        .args(["drill", "rogue_update_script", "other.md", "--road", "guarded", "--postgres"])
        .arg(&installation::installation().bin_dir)
        .args(["--vault", "vault"])
        .output()
        .expect("pgward starts");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (said(&output.stdout), said(&output.stderr));
    assert_eq!(output.status.code(), Some(2), "{out}{err}");
    assert!(err.contains("it is for PostgreSQL 9, and "), "{err}");
    assert!(out.contains("stopped by") && out.contains("rogue_update_script"), "{out}{err}");
}

#[test]
fn a_drill_whose_own_session_can_never_work_says_so() {
    if installation::lacks(&["pg_basebackup", "pg_verifybackup"]) {
        return;
    }
    let dir = dir();
    let dir = dir.path();
    let right = include_str!("../../drill/scenarios/dropped_table.md");
    let wrong = right.replace("SELECT id, total FROM orders", "SELECT id, totals FROM orders");
    assert_ne!(right, wrong);
    fs::write(dir.join("mine.md"), wrong).expect("writes");
    let output = pgward(dir)
        .args(["drill", "mine.md", "--postgres"])
        .arg(&installation::installation().bin_dir)
        .args(["--vault", "vault"])
        .output()
        .expect("pgward starts");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{err}");
    for said in ["session pages", "requests have failed", "42703", "totals", "mend its statement"] {
        assert!(err.contains(said), "{said}: {err}");
    }
}

#[test]
fn drills_that_are_ended_leave_nothing() {
    let dir = dir();
    let dir = dir.path();
    let (mut first, mut second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| drill(dir, "one"));
        let second = drill(dir, "two");
        (first.join().expect("two drills at once bear each other"), second)
    });
    signal(&first, "-INT");
    signal(&second, "-KILL");
    assert_eq!(first.wait().expect("it ends").code(), Some(2));
    second.wait().expect("it ends");
    let told = fs::read_to_string(dir.join("one.log")).expect("it was written");
    assert!(told.contains("rogue_update_script: interrupted"), "{told}");
    left_nothing(dir, "one");
    left_nothing(dir, "two");
}
