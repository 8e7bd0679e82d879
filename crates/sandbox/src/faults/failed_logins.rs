//! Tries to log in with wrong passwords: noise that looks like an attack.

use super::{Fault, FaultCx, Kind, Param, Params, Running, Truth, number, open, text};
use crate::error::Error;
use pgward_pg::prelude::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

pub(super) static FAULT: Fault = Fault {
    id: "failed_logins",
    title: "somebody tries passwords",
    params: &[
        Param {
            name: "per_s",
            default: Some("20"),
            kind: Kind::Number(PER_S_MIN, PER_S_MAX),
            doc: "attempts per second, at most 200",
        },
        Param {
            name: "roles",
            default: Some("admin,app,postgres,root,test"),
            kind: Kind::Text,
            doc: "roles to try, separated by commas; they need not exist",
        },
    ],
    start,
};

/// One attempt takes about 10 ms (SCRAM computes 4,096 hashes on each side).
const PER_S_OF_A_THREAD: f64 = 25.0;
const PER_S_MAX: f64 = 200.0;
/// Below, a drill is over before the second attempt.
const PER_S_MIN: f64 = 0.01;

/// As a password guesser waits at most.
const WITHIN: Duration = Duration::from_secs(5);

struct FailedLogins {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    tried: AtomicU64,
    refused: AtomicU64,
}

fn start(cx: &FaultCx<'_>, params: &Params) -> Result<Box<dyn Running>, Error> {
    let session = open(cx)?;
    let refused = |why: String| Error::Fault { fault: FAULT.id, why };
    let per_s: f64 = number(FAULT.id, params, "per_s")?;
    let roles = text(params, "roles").split(',').map(|r| r.trim().to_owned());
    let roles: Vec<String> = roles.filter(|r| !r.is_empty()).collect();
    if roles.is_empty() {
        return Err(refused("roles= names none".to_owned()));
    }
    let address =
        format!("host=127.0.0.1 port={} dbname={}", cx.port, quoted(session.target().database()));
    let shared = Arc::new(Shared {
        stop: AtomicBool::new(false),
        tried: AtomicU64::new(0),
        refused: AtomicU64::new(0),
    });
    let n_threads = (per_s / PER_S_OF_A_THREAD).ceil().max(1.0);
    let every = Duration::from_secs_f64(n_threads / per_s);
    let mut running = FailedLogins { shared, threads: Vec::new() };
    for number in 0..n_threads as u64 {
        let shared = Arc::clone(&running.shared);
        let mut rng = SmallRng::seed_from_u64(cx.seed.wrapping_add(number));
        let (roles, address) = (roles.clone(), address.clone());
        let guess = move || {
            let mut next = clock::instant() + every.mul_f64(rng.random::<f64>());
            while shared.wait_until(next) {
                let role = roles.get(rng.random_range(0..roles.len())).map_or("", String::as_str);
                let password = format!("{:08x}", rng.random::<u32>());
                let url = format!("{address} user={} password={password}", quoted(role));
                shared.attempt(&url);
                next = (next + every).max(clock::instant());
            }
        };
        let thread = std::thread::Builder::new()
            .name("failed logins".to_owned())
            .spawn(guess)
            .map_err(|e| refused(e.to_string()))?;
        running.threads.push(thread);
    }
    Ok(Box::new(running))
}

/// A value of a key=value connection string (manual, libpq, Connection Strings).
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

impl Shared {
    fn wait_until(&self, next: std::time::Instant) -> bool {
        loop {
            let left = next.saturating_duration_since(clock::instant());
            if self.stop.load(Ordering::SeqCst) {
                return false;
            }
            if left.is_zero() {
                return true;
            }
            std::thread::park_timeout(left);
        }
    }

    fn attempt(&self, url: &str) {
        self.tried.fetch_add(1, Ordering::SeqCst);
        let outcome = Target::parse(url)
            .and_then(|t| Session::connect_within(&t, Purpose::Application("psql"), WITHIN));
        // 28P01: wrong password; 28000: no such way in.
        if outcome.is_err_and(|e| e.sqlstate().is_some_and(|s| s.starts_with("28"))) {
            self.refused.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Running for FailedLogins {
    fn truth(&self) -> Truth {
        let tried = self.shared.tried.load(Ordering::SeqCst);
        let refused = self.shared.refused.load(Ordering::SeqCst);
        let says = format!("{tried} logins tried with wrong passwords, {refused} refused as such");
        Truth { says, n_done: refused, blocks: Vec::new() }
    }

    fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            thread.join().ok();
        }
    }
}

impl Drop for FailedLogins {
    fn drop(&mut self) {
        self.stop();
    }
}
