//! What the page scan costs the load: paired runs with and without it, and their ratio.
#![allow(clippy::unwrap_used)] // A bench ends by a panic.
#![allow(clippy::print_stdout)]

use pgward_integrity::page_scan::Scanner;
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_pg::tools;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PAIRS: usize = 6;
const SECONDS: &str = "8";

fn main() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let installation = tools::newest(&dirs).unwrap();
    let server = PrivateServer::create(&ServerOptions::new(installation)).unwrap();
    let target = server.target();
    let session = Session::connect(&target, Purpose::Private).unwrap();
    // Beside the 750 MB of pgbench's 50 scales, as large again and never touched by the load.
    pgbench(&server, &["-i", "-s", "50", "-q"]);
    session
        .simple(
            "CREATE TABLE cold AS SELECT g, repeat('x', 100) FROM generate_series(1, 5000000) g",
        )
        .unwrap();
    session.simple("VACUUM ANALYZE").unwrap();
    session.simple("CHECKPOINT").unwrap();
    let mut ratios = Vec::new();
    for pair in 0..PAIRS {
        // The order changes, so that what warms up favours neither.
        let (without, with) = if pair % 2 == 0 {
            let without = tps(&server);
            (without, tps_while_scanned(&server))
        } else {
            let with = tps_while_scanned(&server);
            (tps(&server), with)
        };
        ratios.push(with.0 / without);
        println!(
            "pair {pair}: {without:.0} tps without, {:.0} with the scan at {:.1} MB/s: {:.3}",
            with.0,
            with.1,
            with.0 / without
        );
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.3}", (ratios[PAIRS / 2 - 1] + ratios[PAIRS / 2]) / 2.0);
}

fn tps_while_scanned(server: &PrivateServer) -> (f64, f64) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let scan = scope.spawn(|| {
            let mut scanner = Scanner::new(server.target());
            let begin = clock::instant();
            let mut n_blocks = 0;
            while !stop.load(Ordering::SeqCst) {
                n_blocks += scanner.tick(Duration::from_secs(1)).blocks_scanned;
            }
            n_blocks as f64 * 8192.0 / 1e6 / begin.elapsed().as_secs_f64()
        });
        let tps = tps(server);
        stop.store(true, Ordering::SeqCst);
        (tps, scan.join().unwrap())
    })
}

fn tps(server: &PrivateServer) -> f64 {
    let out = pgbench(server, &["-T", SECONDS, "-c", "8", "-j", "2", "-M", "prepared", "-n"]);
    let line = out.lines().find(|l| l.starts_with("tps")).unwrap();
    line.split_whitespace().nth(2).unwrap().parse().unwrap()
}

fn pgbench(server: &PrivateServer, args: &[&str]) -> String {
    let target = server.target();
    let port = target.port().to_string();
    let out = std::process::Command::new(server.installation().program("pgbench"))
        .args(["-h", &target.host(), "-p", &port, "-U", "postgres"])
        .args(args)
        .arg("postgres")
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}
