//! Reading the daemon: one server with every slot taken and a queue behind a forgotten
//! transaction, told by status, alert and HTTP, beside a server that does not answer.
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

#[path = "../../pg/tests/common/installation.rs"]
mod installation;

use pgward_pg::clock;
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A watch that starts, finds a queue and tells of it, on a slow machine.
const WITHIN: Duration = Duration::from_secs(120);
const CONNECTIONS_MAX: i32 = 20;

struct Stage {
    server: PrivateServer,
    admin: Session,
    dir: TempDir,
}

/// Ends what a failed test leaves running.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Stage {
    fn new() -> Stage {
        let options = ServerOptions::new(installation::installation())
            .set("fsync", "off")
            .set("max_connections", &CONNECTIONS_MAX.to_string());
        let server = PrivateServer::create(&options).expect("a server starts");
        let admin = Session::connect(&server.target(), Purpose::Private).expect("it answers");
        admin
            .simple(
                "CREATE ROLE site LOGIN PASSWORD 'site'; \
                 CREATE ROLE pgward LOGIN PASSWORD 'pgward'; \
                 CREATE TABLE public.orders (id bigint PRIMARY KEY, note text); \
                 INSERT INTO public.orders SELECT g, 'new' FROM generate_series(1, 1000) g; \
                 GRANT SELECT, INSERT, UPDATE ON public.orders TO site",
            )
            .expect("the setup runs");
        Stage { server, admin, dir: tempfile::tempdir().expect("a directory can be made") }
    }

    fn url(&self, role: &str) -> String {
        format!("postgres://{role}:{role}@127.0.0.1:{}/postgres", self.server.port())
    }

    fn superuser(&self) -> String {
        let socket = self.server.target().host().replace('/', "%2F");
        format!("postgres://postgres@{socket}:{}/postgres", self.server.port())
    }

    fn site(&self, name: &'static str) -> Session {
        let target = self.server.tcp_target("site", "site");
        Session::connect(&target, Purpose::Application(name)).expect("it answers")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgward"));
        command.current_dir(self.dir.path()).stdin(Stdio::null()).args(args);
        for name in
            ["DATABASE_URL", "PGWARD_VAULT", "PGWARD_RESPONDER_URL", "PGPASSWORD", "PGWARD_WATCHER"]
        {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, args: &[&str], code: i32) -> String {
        let output = self.command(args).output().expect("pgward starts");
        let told = told(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        told
    }

    /// A daemon for the server and for one that is not there, whose alerts go to a file.
    fn watch(&self) -> Ended {
        let config = format!(
            "[daemon]\nlisten = \"127.0.0.1:0\"\n\n\
             [[server]]\nname = \"shop\"\ndatabase = \"{}\"\nscan = false\n\n\
             [[server]]\nname = \"gone\"\ndatabase = \"postgres://x@127.0.0.1:1/x\"\n\n\
             [[alert]]\nsink = \"command\"\n\
             command = [\"sh\", \"-c\", \"cat >> told; echo >> told\"]\n",
            self.url("pgward")
        );
        fs::write(self.dir.path().join("pgward.toml"), config).expect("writes");
        let log = fs::File::create(self.dir.path().join("watch.log")).expect("writes");
        let mut command = self.command(&["watch", "--healthy", "5s", "--vault", "vault"]);
        command.stdout(log.try_clone().expect("one more")).stderr(log);
        Ended(command.spawn().expect("pgward starts"))
    }

    /// Waits until a file holds `words`; returns all of it.
    fn says(&self, file: &str, words: &str) -> String {
        let path = self.dir.path().join(file);
        let read = || fs::read_to_string(&path).unwrap_or_default();
        let found = clock::poll(WITHIN, Duration::from_millis(200), || {
            let told = read();
            Ok::<_, std::io::Error>(told.contains(words).then_some(told))
        });
        found.expect("polling does not fail").unwrap_or_else(|| {
            panic!("`{words}` is not in {file}: {}\nwatch: {}", read(), log(self.dir.path()))
        })
    }
}

fn log(dir: &Path) -> String {
    fs::read_to_string(dir.join("watch.log")).unwrap_or_default()
}

fn told(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

#[test]
fn a_queue_is_told_while_every_slot_is_taken() {
    let stage = Stage::new();
    stage.admin.simple("GRANT pg_monitor TO pgward").expect("the right can be given");
    let quiet = stage
        .run(&["status", "--watcher", "http://127.0.0.1:1", "--database", &stage.url("pgward")], 0);
    assert!(quiet.contains("PostgreSQL") && quiet.contains("connections"), "{quiet}");

    let _watch = stage.watch();
    let said = stage.says("watch.log", "answers on ");
    let watcher = said.split("answers on ").nth(1).and_then(|t| t.lines().next());
    let watcher = watcher.expect("it says where").to_owned();
    stage.says("watch.log", "shop  watches ");
    stage.says("watch.log", "gone  not guarded: ");
    let deploy = ["event", "deploy 4711", "--server", "shop", "--on", "orders", "--by", "ci"];
    let event = [&deploy[..], &["--watcher", &watcher, "--vault", "vault"]].concat();
    let told_to = stage.run(&event, 0);
    assert!(told_to.contains(&format!("told to the watcher at {watcher}: ")), "{told_to}");

    let forgotten = stage.site("forgotten");
    forgotten.simple("BEGIN; SELECT count(*) FROM orders").expect("it runs");
    let (server, ready) = (&stage.server, std::sync::Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let deploy = Session::connect(&server.target(), Purpose::Private).expect("it answers");
            ready.wait();
            // Ends when the reader does.
            let ddl = "SET lock_timeout = '90s'; ALTER TABLE orders ADD COLUMN paid boolean";
            deploy.simple(ddl).expect("it runs at last");
        });
        ready.wait();
        let queued = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks WHERE NOT granted";
        wait_for(&stage.admin, queued, 1);
        for _ in 0..CONNECTIONS_MAX {
            let target = stage.server.tcp_target("site", "site");
            let Ok(waiter) = Session::connect(&target, Purpose::Application("shop")) else { break };
            let read = "SET lock_timeout = '90s'; SELECT note FROM orders WHERE id = 1";
            scope.spawn(move || waiter.simple(read));
        }
        reads(&stage, &watcher);
        forgotten.simple("ROLLBACK").expect("it lets go");
    });
    let closed = stage.says("told", "\"news\":\"closed\"");
    assert_eq!(closed.matches("\"news\":\"opened\"").count(), 1, "{closed}");
}

fn wait_for(session: &Session, sql: &str, at_least: i64) {
    let found = clock::poll(WITHIN, Duration::from_millis(50), || {
        let n: i64 = session.query_one(sql, &[])?;
        Ok::<_, Error>((n >= at_least).then_some(()))
    });
    found.expect("it can be counted").expect("it comes");
}

/// What status, alert, acknowledgement and HTTP say while the queue stands.
fn reads(stage: &Stage, watcher: &str) {
    let alert = stage.says("told", "\"news\":\"opened\"");
    for words in ["\"orders\"", "forgotten", "deploy 4711 by ci", "cancel pid", "ALTER TABLE"] {
        assert!(alert.contains(words), "{words}: {alert}");
    }
    let args = ["status", "--watcher", watcher, "--vault", "vault"];
    let status = stage.run(&args, 1);
    for words in ["every slot that role pgward may use", "heads the queue", "deploy 4711", "open"] {
        assert!(status.contains(words), "{words}: {status}\n{}", log(stage.dir.path()));
    }
    // A superuser comes in through a reserved slot, without any watcher.
    let superuser = stage.superuser();
    let args =
        ["status", "--format", "json", "--watcher", "http://127.0.0.1:1", "--database", &superuser];
    let json: serde_json::Value = serde_json::from_str(&stage.run(&args, 1)).expect("it is JSON");
    let server = &json["servers"][0];
    assert!(server["blockers"][0]["n_waiters"].as_u64() > Some(2), "{json}");
    assert_eq!(server["limits"][0]["name"], "connections", "{json}");
    assert_eq!(server["missing"].as_array().map(Vec::len), Some(0), "{json}");

    let alert: serde_json::Value =
        serde_json::from_str(alert.lines().next().unwrap_or_default()).expect("it is JSON");
    let incident = alert["alert"]["incident"].as_str().expect("it has an id");
    stage.run(&["ack", incident, "--by", "night", "--vault", "vault"], 0);
    stage.says("watch.log", &format!("night looks after {incident}"));
    let unknown = stage.run(&["ack", "no-such", "--vault", "vault"], 2);
    assert!(unknown.contains("no incident of that id"), "{unknown}");
}

#[test]
fn doctor_names_each_cure_with_the_role() {
    let stage = Stage::new();
    let doctor = stage.run(&["doctor", "--database", &stage.url("pgward")], 1);
    for words in [
        "GRANT pg_monitor TO pgward",
        "GRANT pg_signal_backend TO pgward",
        "ALTER SYSTEM SET track_io_timing = on; SELECT pg_reload_conf()",
        "CREATE EXTENSION pg_stat_statements",
        "pgward doctor --rights pgward",
        "archive_mode = on",
    ] {
        assert!(doctor.contains(words), "{words}: {doctor}");
    }
    let url = stage.url("pgward");
    let watch =
        ["watch", "--database", &url, "--for", "3s", "--listen", "none", "--vault", "vault"];
    let watched = stage.run(&watch, 0);
    assert_eq!(watched.matches("cannot see ").count(), 1, "{watched}");
    assert!(watched.contains("log") && watched.contains("`pgward doctor`"), "{watched}");
    stage.admin.simple("GRANT pg_monitor TO pgward").expect("the right can be given");
    let cured = stage.run(&["doctor", "--database", &stage.url("pgward")], 1);
    assert!(cured.contains("has      all sessions"), "{cured}");
    assert!(!cured.contains("GRANT pg_monitor"), "{cured}");
}
