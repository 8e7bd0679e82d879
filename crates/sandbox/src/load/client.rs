//! One client of the load: a thread that sends requests at its pace, whatever happens.

use crate::error::Error;
use crate::ledger::{Ledger, LedgerSpec};
use crate::load::record::{InFlight, LOST, Record, Request};
use crate::load::template::{Share, Template};
use jiff::Timestamp;
use pgward_pg::prelude::*;
use pgward_pg::session::{Prepared, get};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What all clients of one session share.
pub(crate) struct Kind {
    pub(crate) name: String,
    /// `application_name` as the server shows it.
    pub(crate) application: &'static str,
    pub(crate) every: Duration,
    pub(crate) template: Template,
    pub(crate) ledger: Option<LedgerSpec>,
    pub(crate) reconnect_every: Option<u32>,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) target: Target,
    pub(crate) record: Record,
    /// The server's first error that is not [`is_passing`].
    pub(crate) mistake: Mutex<Option<pgward_pg::error::Error>>,
}

/// What one client needs to run.
pub(crate) struct Client {
    pub(crate) kind: Arc<Kind>,
    pub(crate) number: u32,
    pub(crate) share: Share,
    pub(crate) seed: u64,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) link: Arc<Link>,
    /// Set when nothing can be proved any more; stops the whole load.
    pub(crate) broken: Arc<Broken>,
}

type Canceller = Box<dyn Fn() -> Result<(), pgward_pg::error::Error> + Send>;

/// The thread that holds a [`Client`] and those outside meet here.
#[derive(Default)]
pub(crate) struct Link {
    pub(crate) stop: AtomicBool,
    pub(crate) in_flight: InFlight,
    /// Ends what the client waits for, while it has a connection.
    pub(crate) cancel: Mutex<Option<Canceller>>,
}

/// The first error that ends a load.
#[derive(Default)]
pub(crate) struct Broken {
    stop: AtomicBool,
    error: Mutex<Option<Error>>,
}

/// What a client that panicked has left is as good as before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

impl Broken {
    fn set(&self, error: Error) {
        lock(&self.error).get_or_insert(error);
        self.stop.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    pub(crate) fn take(&self) -> Option<Error> {
        lock(&self.error).take()
    }
}

/// SQLSTATE `no_data`: a write that found no row has done nothing for its client.
const NO_DATA: &str = "02000";

/// What is no fault of the request: the network (08), another transaction (40, 55), a full server
/// (53), an operator (57).
pub(crate) fn is_passing(state: &str) -> bool {
    let passing = ["08", "40", "53", "55", "57", LOST];
    passing.iter().any(|class| state.starts_with(class))
}

/// Would the request fail with this whatever rows there are? Not supported, no such database or
/// schema, no login, no such name or right.
pub(crate) fn is_wrong_text(state: &str) -> bool {
    ["0A", "28", "3D", "3F", "42"].iter().any(|class| state.starts_with(class))
}

/// How long a client waits for a connection: as the pools of common frameworks (HikariCP,
/// ActiveRecord 5 s).
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Back-off between lost connections: doubling from here ...
const BACK_OFF_MIN: Duration = Duration::from_millis(50);
/// ... to here, so that the return of the service is seen within half a second.
const BACK_OFF_MAX: Duration = Duration::from_millis(500);

struct Connection {
    session: Session,
    /// One per statement of the template, made at its first use.
    prepared: Vec<Prepared>,
    n_requests: u32,
}

impl Client {
    /// Sends requests until it is told to stop.
    pub(crate) fn run(self) {
        let mut rng = SmallRng::seed_from_u64(self.seed);
        let mut connection = None;
        let mut back_off = BACK_OFF_MIN;
        // Clients that begin in step would stay in step.
        let offset = self.kind.every.mul_f64(rng.random::<f64>());
        let mut next = clock::instant() + offset;
        while self.wait_until(next) {
            let begin = clock::instant();
            let start = clock::now();
            self.link.in_flight.begin(start);
            let outcome = self.request(&mut connection, &mut rng);
            let latency = begin.elapsed();
            self.link.in_flight.end();
            let (failed, lost) = match outcome {
                Ok(()) => (None, false),
                Err(Failure::NoData) => (Some(NO_DATA.to_owned()), false),
                Err(Failure::Pg(e)) => {
                    let (state, lost) = (state_of(&e), e.is_connection_lost());
                    if !is_passing(&state) {
                        lock(&self.kind.mistake).get_or_insert(e);
                    }
                    (Some(state), lost)
                }
                Err(Failure::Ledger(e)) => {
                    self.broken.set(e);
                    break;
                }
            };
            if failed.is_some() && self.stopped() {
                break; // Cancelled by ourselves: no client was harmed.
            }
            if failed.is_some() {
                self.recover(&mut connection, lost);
            }
            back_off = if lost { (back_off * 2).min(BACK_OFF_MAX) } else { BACK_OFF_MIN };
            self.kind.record.add(Request { start, latency, failed });
            // A late client does not catch up: people do not either.
            next = (next + self.kind.every).max(clock::instant());
            if lost {
                next = next.max(clock::instant() + back_off);
            }
        }
        self.set_cancel(None);
    }

    fn stopped(&self) -> bool {
        self.link.stop.load(Ordering::SeqCst) || self.broken.is_set()
    }

    /// Waits; false when it is time to stop.
    fn wait_until(&self, next: Instant) -> bool {
        loop {
            if self.stopped() {
                return false;
            }
            let left = next.saturating_duration_since(clock::instant());
            if left.is_zero() {
                return true;
            }
            std::thread::park_timeout(left);
        }
    }

    /// After a failure: what was prepared may be of another time, as drivers see it too.
    fn recover(&self, connection: &mut Option<Connection>, lost: bool) {
        let dead = |c: &mut Connection| {
            c.prepared.clear();
            let in_transaction = self.kind.template.statements.len() > 1;
            lost || c.session.is_closed()
                || (in_transaction && c.session.simple("ROLLBACK").is_err())
        };
        if connection.as_mut().is_some_and(dead) {
            *connection = None;
            self.set_cancel(None);
        }
    }

    fn set_cancel(&self, cancel: Option<Canceller>) {
        *lock(&self.link.cancel) = cancel;
    }

    fn request(
        &self,
        connection: &mut Option<Connection>,
        rng: &mut SmallRng,
    ) -> Result<(), Failure> {
        let values = self.kind.template.draw(self.number, self.share, rng);
        let every = self.kind.reconnect_every.unwrap_or(u32::MAX);
        if connection.as_ref().is_some_and(|c| c.n_requests >= every || c.session.is_closed()) {
            *connection = None;
        }
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(self.connect()?),
        };
        connection.n_requests += 1;
        let acknowledged = connection.send(&self.kind.template, &values)?;
        let Some(spec) = &self.kind.ledger else { return Ok(()) };
        let at = clock::now();
        let mut n_written = 0;
        for row in &acknowledged {
            let (key, stamp) = key_and_stamp(row).ok_or_else(|| self.unreadable())?;
            self.ledger.acknowledge(spec, &key, stamp, at).map_err(Failure::Ledger)?;
            n_written += 1;
        }
        if n_written == 0 { Err(Failure::NoData) } else { Ok(()) }
    }

    fn unreadable(&self) -> Failure {
        Failure::Ledger(Error::Load {
            session: self.kind.name.clone(),
            why: "its last statement must end with RETURNING key, stamp \
                  (key integer or text, stamp bigint)"
                .to_owned(),
        })
    }

    fn connect(&self) -> Result<Connection, Failure> {
        let purpose = Purpose::Application(self.kind.application);
        let session = Session::connect_within(&self.kind.target, purpose, CONNECT_WITHIN)?;
        if let Some(timeout) = self.kind.statement_timeout {
            session.simple(&format!("SET statement_timeout = {}", timeout.as_millis()))?;
        }
        self.set_cancel(Some(Box::new(session.canceller())));
        Ok(Connection { session, prepared: Vec::new(), n_requests: 0 })
    }
}

impl Connection {
    /// Sends one request; the rows of its last statement, once it is committed.
    fn send(&mut self, template: &Template, values: &[Vec<i64>]) -> Result<Vec<Row>, Failure> {
        let transaction = template.statements.len() > 1;
        if transaction {
            self.session.simple("BEGIN")?;
        }
        let mut rows = Vec::new();
        for (i, (piece, values)) in template.statements.iter().zip(values).enumerate() {
            if self.prepared.len() <= i {
                self.prepared.push(self.session.prepare(&piece.sql, piece.draws.len())?);
            }
            if let Some(prepared) = self.prepared.get(i) {
                (rows, _) = self.session.run(prepared, values)?;
            }
        }
        if transaction {
            self.session.simple("COMMIT")?;
        }
        Ok(rows)
    }
}

/// Why a request did not do what its client wanted.
enum Failure {
    Pg(pgward_pg::error::Error),
    NoData,
    Ledger(Error),
}

impl From<pgward_pg::error::Error> for Failure {
    fn from(error: pgward_pg::error::Error) -> Self {
        Failure::Pg(error)
    }
}

fn state_of(error: &pgward_pg::error::Error) -> String {
    error.sqlstate().unwrap_or(LOST).to_owned()
}

/// Key as the server would print it, and stamp, of a row that a write returned.
fn key_and_stamp(row: &Row) -> Option<(String, i64)> {
    let stamp: i64 = get(row, 1).ok()?;
    let key = get::<i64>(row, 0)
        .map(|k| k.to_string())
        .or_else(|_| get::<i32>(row, 0).map(|k| k.to_string()))
        .or_else(|_| get::<i16>(row, 0).map(|k| k.to_string()))
        .or_else(|_| get::<String>(row, 0))
        .ok()?;
    Some((key, stamp))
}

/// When a request that began at `start` counts as harmed although it has not ended.
pub(crate) fn hangs(start: Timestamp, now: Timestamp, bound: Duration) -> bool {
    now.duration_since(start).as_millis() > i128::try_from(bound.as_millis()).unwrap_or(i128::MAX)
}
