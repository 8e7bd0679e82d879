//! What the load itself costs: requests per second and the processor time that pgward takes.

#![allow(clippy::unwrap_used)] // A bench ends by a panic.
#![allow(clippy::print_stdout)]

use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_pg::tools;
use pgward_sandbox::ledger::Ledger;
use pgward_sandbox::load::{Load, SessionSpec};
use pgward_sandbox::proxy::Proxy;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const SECONDS: u64 = 10;

fn main() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let options = ServerOptions::new(tools::newest(&dirs).unwrap());
    let server = PrivateServer::create(&options).unwrap();
    let session = Session::connect(&server.target(), Purpose::Private).unwrap();
    session
        .simple(
            "CREATE TABLE accounts (id bigint PRIMARY KEY, stamp bigint, note text); \
             INSERT INTO accounts SELECT g, 0, repeat('n', 100) FROM generate_series(1, 1e6) g; \
             CREATE ROLE site LOGIN PASSWORD 'site'; GRANT SELECT, UPDATE ON accounts TO site",
        )
        .unwrap();
    session.simple("VACUUM ANALYZE accounts").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let direct = server.tcp_target("site", "site").with_database("postgres");
    let proxy = Proxy::start(server.port(), 1).unwrap();
    for (name, target) in
        [("direct", direct.clone()), ("through the proxy", direct.through_port(proxy.port()))]
    {
        for every_ms in [40, 20, 0] {
            let ledger = Arc::new(Ledger::open(&dir.path().join("ledger")).unwrap());
            let load = Load::start(&target, &specs(every_ms), 1, ledger).unwrap();
            std::thread::sleep(Duration::from_secs(2));
            let before = processor_s();
            std::thread::sleep(Duration::from_secs(SECONDS));
            let cpu = (processor_s() - before) / SECONDS as f64;
            let report = load.report(Duration::from_secs(SECONDS));
            let p99 = report.sessions.iter().map(|s| s.p99_ms).fold(0.0, f64::max);
            println!(
                "{name}, 12 clients every {every_ms} ms: {:.0} requests/s, p99 {p99:.1} ms, \
                 {:.1}% of a core, {:.0} µs per request",
                report.per_s,
                cpu * 100.0,
                cpu * 1e6 / report.per_s
            );
        }
    }
}

fn specs(every_ms: u64) -> [SessionSpec; 2] {
    let spec = |name: &str, sql: &str| SessionSpec {
        name: name.to_owned(),
        application: name.to_owned(),
        clients: 6,
        every: Duration::from_millis(every_ms),
        sql: sql.to_owned(),
        ledger: None,
        reconnect_every: None,
        statement_timeout: None,
    };
    let write = "UPDATE accounts SET stamp = :stamp WHERE id = :mine(1, 1000000) \
                 RETURNING id, stamp";
    [
        spec("reader", "SELECT note FROM accounts WHERE id = :zipf(1, 1000000)"),
        SessionSpec {
            ledger: Some("accounts(id,stamp)".parse().unwrap()),
            ..spec("writer", write)
        },
    ]
}

/// User and system time of this process (proc(5), fields 14 and 15, in ticks of 10 ms).
fn processor_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<f64> =
        after_name.split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect();
    (fields[11] + fields[12]) / 100.0
}
