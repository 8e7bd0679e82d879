//! A newcomer's way with a database of his own: least rights, a change and its undo, trouble that
//! is found and ended, and no trace when pgward leaves.
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

#[path = "../../pg/tests/common/installation.rs"]
mod installation;

use pgward_pg::clock;
use pgward_pg::install;
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A watch that starts, finds a queue and closes its incident, on a slow machine.
const WATCHED_WITHIN: Duration = Duration::from_secs(120);

/// What was there before pgward came, and must be all that is there when it has left.
const OBJECTS: &str = "SELECT COALESCE(pg_catalog.string_agg(o, ',' ORDER BY o), '') FROM ( \
    SELECT n.nspname::text FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_' \
    UNION ALL SELECT c.oid::regclass::text FROM pg_catalog.pg_class c WHERE c.oid >= 16384 \
        AND c.relnamespace NOT IN ('pg_toast'::regnamespace, 'information_schema'::regnamespace) \
    UNION ALL SELECT p.oid::regprocedure::text FROM pg_catalog.pg_proc p WHERE p.oid >= 16384 \
    UNION ALL SELECT e.evtname::text FROM pg_catalog.pg_event_trigger e) AS t (o)";

struct Shop {
    server: PrivateServer,
    admin: Session,
    dir: TempDir,
}

fn shop() -> Shop {
    let dir = tempfile::Builder::new()
        .prefix("pgward-test-")
        .permissions(fs::Permissions::from_mode(0o711))
        .tempdir()
        .expect("a temporary directory can be made");
    let options = ServerOptions::new(installation::installation()).set("fsync", "off");
    let server = PrivateServer::create(&options).expect("a server starts");
    let admin = Session::connect(&server.target(), Purpose::Private).expect("it answers");
    admin
        .simple(
            "CREATE ROLE site LOGIN PASSWORD 'site'; CREATE ROLE pgward LOGIN PASSWORD 'pgward'; \
             CREATE TABLE public.orders (id bigint PRIMARY KEY, note text); \
             INSERT INTO public.orders SELECT g, 'new' FROM generate_series(1, 1000) g; \
             GRANT SELECT, INSERT, UPDATE ON public.orders TO site",
        )
        .expect("the setup runs");
    Shop { server, admin, dir }
}

impl Shop {
    fn command(&self, role: &str, args: &[&str]) -> Command {
        let socket = self.server.target().host().replace('/', "%2F");
        let url = match role {
            "postgres" => format!("postgres://postgres@{socket}:{}/postgres", self.server.port()),
            _ => format!("postgres://{role}:{role}@127.0.0.1:{}/postgres", self.server.port()),
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgward"));
        command.args(args).current_dir(self.dir.path()).env("DATABASE_URL", url);
        for name in ["PGWARD_VAULT", "PGWARD_RESPONDER_URL", "PGPASSWORD"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs it to its end and demands the exit code.
    fn run(&self, role: &str, args: &[&str], code: i32) -> String {
        let output = self.command(role, args).output().expect("pgward starts");
        let told = told(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        told
    }

    fn session(&self, role: &str, application: &'static str) -> Session {
        let target = self.server.tcp_target(role, role);
        Session::connect(&target, Purpose::Application(application)).expect("the role may come in")
    }

    fn count(&self, sql: &str) -> i64 {
        self.admin.query_one(sql, &[]).expect("it can be counted")
    }
}

fn told(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// Ends what a failed test leaves running.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_change_goes_in_and_out_and_pgward_leaves_no_trace() {
    let shop = shop();
    let objects = || shop.admin.query_one::<String>(OBJECTS, &[]).expect("they can be listed");
    let before = objects();
    shop.run("postgres", &["install"], 0);
    shop.admin.simple(&install::least_rights_sql("pgward")).expect("the rights can be given");
    let doctor = shop.run("pgward", &["doctor"], 1); // no pg_stat_statements, no archive
    for line in ["sees     sessions", "sees     log", "has      all sessions", "has      DDL log"] {
        assert!(doctor.contains(line), "{line}: {doctor}");
    }
    fs::write(shop.dir.path().join("one.sql"), "ALTER TABLE orders ADD COLUMN paid boolean;\n")
        .expect("writes");
    let columns = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute \
                   WHERE attrelid = 'public.orders'::regclass AND attname = 'paid' \
                     AND NOT attisdropped";
    let dry = shop.run("postgres", &["apply", "one.sql", "--dry-run"], 0);
    assert_eq!((dry.matches("runbook change").count(), shop.count(columns)), (1, 0), "{dry}");
    let applied = shop.run("postgres", &["apply", "one.sql"], 0);
    assert_eq!(shop.count(columns), 1, "{applied}");
    let id = applied
        .lines()
        .find_map(|l| l.strip_prefix("take it back with: pgward undo "))
        .expect("it says how to take it back");
    shop.run("postgres", &["undo", id], 0);
    assert_eq!(shop.count(columns), 0);
    fs::write(shop.dir.path().join("two.sql"), "CREATE TABLE baskets (id bigint PRIMARY KEY);\n")
        .expect("writes");
    shop.run("postgres", &["apply", "two.sql"], 0);
    let uninstalled = shop.run("postgres", &["uninstall"], 0);
    assert!(
        uninstalled.contains("the undo of 1 applied change goes with the journal"),
        "{uninstalled}"
    );
    assert!(uninstalled.contains("nothing of pgward is left"), "{uninstalled}");
    shop.admin.simple("DROP TABLE public.baskets").expect("it is there");
    assert_eq!(objects(), before);
    let again = shop.run("postgres", &["uninstall"], 0);
    assert!(again.contains("pgward was not installed"), "{again}");
    shop.admin.simple("DROP OWNED BY pgward; DROP ROLE pgward").expect("the role can go");
}

#[test]
fn a_table_that_is_there_is_not_restored() {
    let shop = shop();
    fs::create_dir(shop.dir.path().join("vault")).expect("a vault can be made");
    let args = ["restore", "--table", "orders", "--transaction", "700", "--vault", "vault"];
    let told = shop.run("postgres", &args, 2);
    assert!(told.contains("orders: exists in production"), "{told}");
    assert!(!told.contains("runbook"), "{told}");
    let dry: Vec<&str> = args.into_iter().chain(["--dry-run"]).collect();
    assert_eq!(shop.run("postgres", &dry, 2), told);
}

#[test]
fn a_forgotten_transaction_is_named_and_ended() {
    let shop = shop();
    shop.run("postgres", &["install"], 0);
    shop.admin.simple(&install::least_rights_sql("pgward")).expect("the rights can be given");
    let bystander = shop.session("site", "bystander");
    let args =
        ["watch", "--respond", "auto", "--healthy", "5s", "--for", "90s", "--vault", "vault"];
    let log = fs::File::create(shop.dir.path().join("watch.log")).expect("writes");
    let mut command = shop.command("pgward", &args);
    command.stdout(log.try_clone().expect("one more")).stderr(log);
    let mut watch = Ended(command.spawn().expect("pgward starts"));
    says(&shop, "watches pgward@");
    let forgotten = shop.session("site", "forgotten");
    forgotten.simple("BEGIN; UPDATE orders SET note = 'mine' WHERE id = 1").expect("it runs");
    std::thread::scope(|scope| {
        for _ in 0..6 {
            let waiter = shop.session("site", "waiter");
            scope.spawn(move || waiter.simple("UPDATE orders SET note = 'paid' WHERE id = 1"));
        }
    });
    says(&shop, "post-mortem: ");
    let watched = says(&shop, "lock_idle_tx");
    assert!(watched.contains("role site (forgotten)"), "{watched}");
    assert!(forgotten.simple("SELECT 1").is_err(), "it was ended: {watched}");
    bystander.simple("SELECT 1").expect("it has nothing to do with it");
    assert_eq!(shop.count("SELECT pg_catalog.count(*) FROM orders WHERE note = 'paid'"), 1);
    let _ = watch.0.kill();
    proves_the_record(&shop, &shop.dir.path().join("vault"));
    sees_it_again(&shop);
}

/// The history, whose writer was killed, shows the moment at which the incident opened.
fn sees_it_again(shop: &Shop) {
    let listed = shop.run("pgward", &["incidents", "--json", "--vault", "vault"], 0);
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("it is JSON");
    let opened = listed[0]["opened"].as_str().expect("it says when");
    let at = ["diagnose", "--at", opened, "--vault", "vault"];
    let seen = shop.run("pgward", &at, 1);
    assert!(seen.contains("lock_idle_tx") && seen.contains("forgotten"), "{seen}");
    assert!(seen.contains("not seen: catalog"), "{seen}");
    let before: jiff::Timestamp = opened.parse().expect("it is a moment");
    let before = (before - jiff::SignedDuration::from_hours(2)).to_string();
    let told = shop.run("pgward", &["diagnose", "--at", &before, "--vault", "vault"], 2);
    assert!(told.contains("nothing is known of") && told.contains("is kept from"), "{told}");
    let ask = |sql: &str, format: &str| {
        shop.run("pgward", &["history", sql, "--format", format, "--vault", "vault"], 0)
    };
    let waits = format!(
        "SELECT pid, count(*) AS seconds FROM sessions \
         WHERE application = 'waiter' AND cardinality(blocked_by) > 0 \
           AND at >= TIMESTAMPTZ '{opened}' - INTERVAL '30 seconds' GROUP BY 1 ORDER BY 2 DESC"
    );
    let waits = ask(&waits, "json");
    assert_eq!(waits.lines().count(), 6, "each of the six waited: {waits}");
    let first: serde_json::Value =
        serde_json::from_str(waits.lines().next().unwrap_or("")).expect("a row is an object");
    assert!(first["seconds"].as_i64().is_some_and(|s| s >= 1), "{waits}");
    let held = "SELECT DISTINCT relation, granted FROM locks WHERE mode = 'RowExclusiveLock'";
    assert!(ask(held, "csv").lines().any(|row| row == "orders,true"), "{}", ask(held, "csv"));
    let top = "SELECT fingerprint, sum(calls) FROM statements GROUP BY 1 ORDER BY 2 DESC LIMIT 10";
    assert!(ask(top, "text").contains("fingerprint"));
    let tables = shop.run("pgward", &["history", "--vault", "vault"], 0);
    assert!(tables.contains("blocked_by") && tables.contains("SELECT fingerprint"), "{tables}");
}

/// Waits until the watch has said `words`; returns all it said.
fn says(shop: &Shop, words: &str) -> String {
    let log = shop.dir.path().join("watch.log");
    let found = clock::poll(WATCHED_WITHIN, Duration::from_millis(200), || {
        let told = fs::read_to_string(&log)?;
        Ok::<_, std::io::Error>(told.contains(words).then_some(told))
    });
    found.expect("the log can be read").unwrap_or_else(|| {
        panic!("`{words}` is not in: {}", fs::read_to_string(&log).unwrap_or_default())
    })
}

/// The post-mortem exists in its forms and can be printed again.
fn proves_the_record(shop: &Shop, vault: &Path) {
    let listed = shop.run("pgward", &["postmortem", "--vault", "vault"], 0);
    let id = listed.lines().next().expect("one is listed").trim();
    let file = |end: &str| vault.join("postmortems").join(format!("{id}{end}"));
    let text = fs::read_to_string(file(".md")).expect("the Markdown is there");
    assert!(text.contains("lock_idle_tx") && text.contains("forgotten"), "{text}");
    assert!(file(".html").is_file());
    let again = shop.run("pgward", &["postmortem", id, "--vault", "vault"], 0);
    assert!(again.contains("lock_idle_tx"), "{again}");
}
