//! The fence: a second session that looks who waits behind a step, and cancels the step for
//! their sake.

use super::{Context, WATCH_EVERY};
use crate::error::Error;
use crate::session::{Session, get};
use pgward_model::prelude::{Pid, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Users do not notice a tenth of a second: a crowd that waits less is let wait.
const NOTICED_MS: f64 = 100.0;
/// So many looks that fail one after the other leave a step unwatched for a quarter of a second,
/// or for five where each runs into its time limit.
const BLIND_MAX: u32 = 5;

/// Sessions that wait, at whatever distance, for something `pid` holds, and the longest wait
/// in milliseconds. Those queued behind a waiter count too.
///
/// Source: `pg_blocking_pids` (PostgreSQL manual, System Information Functions), which also
/// names those ahead in the queue.
///
/// # Errors
/// As [`Session::query`].
pub fn waiters_behind(session: &Session, pid: Pid, leave_out: &[Pid]) -> Result<(u32, f64), Error> {
    let rows = session.query(include_str!("../../queries/waiting.sql"), &[&leave_out])?;
    let mut waiting = BTreeMap::new();
    for row in &rows {
        let (waiter, blockers): (Pid, Vec<Pid>) = (get(row, 0)?, get(row, 1)?);
        let waited: Option<f64> = get(row, 2)?;
        waiting.insert(waiter, (blockers, waited.unwrap_or(0.0)));
    }
    Ok(closure(pid, &waiting))
}

fn closure(pid: Pid, waiting: &BTreeMap<Pid, (Vec<Pid>, f64)>) -> (u32, f64) {
    let mut behind = BTreeSet::from([pid]);
    let mut longest: f64 = 0.0;
    loop {
        let next: Vec<Pid> = waiting
            .iter()
            .filter(|(waiter, (blockers, _))| {
                !behind.contains(waiter) && blockers.iter().any(|b| behind.contains(b))
            })
            .map(|(waiter, _)| *waiter)
            .collect();
        if next.is_empty() {
            let n_behind = u32::try_from(behind.len() - 1).unwrap_or(u32::MAX);
            return (n_behind, longest);
        }
        for waiter in next {
            longest = longest.max(waiting.get(&waiter).map_or(0.0, |(_, ms)| *ms));
            behind.insert(waiter);
        }
    }
}

/// Why a step was cancelled.
enum Trip {
    Crowd {
        waiters: u32,
        longest_ms: f64,
    },
    /// Nobody could say who waits.
    Blind {
        why: String,
    },
}

pub(super) struct Fence {
    pid: Pid,
    waiters_max: AtomicU32,
    wait_budget: Duration,
    most: AtomicU32,
    over: AtomicBool,
    tripped: Mutex<Option<Trip>>,
    notes: Mutex<Vec<String>>,
}

impl Fence {
    pub(super) fn new(pid: Pid, context: &Context<'_>) -> Fence {
        Fence {
            pid,
            waiters_max: AtomicU32::new(u32::MAX),
            wait_budget: context.wait_budget,
            most: AtomicU32::new(0),
            over: AtomicBool::new(false),
            tripped: Mutex::new(None),
            notes: Mutex::new(Vec::new()),
        }
    }

    /// So many may wait behind what comes next.
    pub(super) fn allow(&self, waiters_max: u32) {
        self.waiters_max.store(waiters_max, Ordering::Relaxed);
    }

    /// Most sessions that waited at one moment.
    pub(super) fn most(&self) -> u32 {
        self.most.load(Ordering::Relaxed)
    }

    /// Does the work on `session` while `control` looks on.
    pub(super) fn around<T>(
        &self,
        session: &Session,
        control: &Session,
        work: impl FnOnce() -> T,
    ) -> T {
        // A look that hangs is a look that failed; the next statement of a script has its own.
        if let Err(error) = control.simple("SET statement_timeout = 1000") {
            self.note(format!("looks at waiters have no time limit: {error}"));
        }
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| self.watch(session, control));
            let result = work();
            self.over.store(true, Ordering::Release);
            watcher.thread().unpark();
            result
        })
    }

    fn watch(&self, session: &Session, control: &Session) {
        let own = [session.pid(), control.pid()];
        let mut n_failed = 0;
        while !self.over.load(Ordering::Acquire) {
            let trip = match waiters_behind(control, self.pid, &own) {
                Ok((waiters, longest_ms)) => {
                    n_failed = 0;
                    self.most.fetch_max(waiters, Ordering::Relaxed);
                    let many = self.too_many(waiters, longest_ms);
                    many.then_some(Trip::Crowd { waiters, longest_ms })
                }
                Err(error) => {
                    n_failed += 1;
                    let blind = n_failed >= BLIND_MAX || control.is_closed();
                    blind.then(|| Trip::Blind { why: error.to_string() })
                }
            };
            if let Some(trip) = trip
                && !self.over.load(Ordering::Acquire)
            {
                *lock(&self.tripped) = Some(trip);
                return self.cancel(session, control);
            }
            std::thread::park_timeout(WATCH_EVERY);
        }
    }

    /// Over the second session, or, where that is gone, over a connection of its own.
    fn cancel(&self, session: &Session, control: &Session) {
        let query = "SELECT pg_catalog.pg_cancel_backend($1)";
        let cancelled = control.query(query, &[&self.pid]).map(drop);
        if let Err(error) = cancelled.or_else(|_| session.canceller()()) {
            self.note(format!("could not cancel our own statement: {error}"));
        }
    }

    fn too_many(&self, waiters: u32, longest_ms: f64) -> bool {
        let many = waiters > self.waiters_max.load(Ordering::Relaxed);
        (many && longest_ms > NOTICED_MS) || longest_ms > self.wait_budget.as_secs_f64() * 1000.0
    }

    fn note(&self, text: String) {
        lock(&self.notes).push(text);
    }

    pub(super) fn notes(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.notes))
    }

    /// An error when the step had to be stopped for those who wait behind it.
    pub(super) fn intact(&self, step: Option<&Step>) -> Result<(), Error> {
        let step = step.map_or_else(String::new, |s| s.title.clone());
        match &*lock(&self.tripped) {
            None => Ok(()),
            Some(Trip::Crowd { waiters, longest_ms }) => Err(Error::WaitersBehind {
                step,
                waiters: *waiters,
                waiters_max: self.waiters_max.load(Ordering::Relaxed),
                longest_ms: *longest_ms as u64,
                budget_ms: self.wait_budget.as_millis() as u64,
            }),
            Some(Trip::Blind { why }) => Err(Error::Unwatched { step, why: why.clone() }),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
