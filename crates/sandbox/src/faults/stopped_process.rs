//! Stops a server process for a while, again and again, in the moments in which it holds a lock: what
//! a hanging volume or a paused machine makes of a lock that is held for milliseconds.

use super::{
    Fault, FaultCx, Kind, LASTS_MAX, Param, Params, Running, Truth, duration, number, open, text,
};
use crate::error::Error;
use nix::sys::signal::{Signal, kill};
use nix::unistd;
use pgward_pg::prelude::*;
use pgward_pg::session::get;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

pub(super) static FAULT: Fault = Fault {
    id: "stopped_process",
    title: "a server process hangs while it holds a lock",
    params: &[
        Param {
            name: "relation",
            default: None,
            kind: Kind::Text,
            doc: "the table whose lock it holds",
        },
        Param {
            name: "backend",
            default: Some("autovacuum_worker"),
            kind: Kind::Text,
            doc: "its pg_stat_activity.backend_type, _ for a space",
        },
        Param {
            name: "mode",
            default: Some("AccessExclusiveLock"),
            kind: Kind::Text,
            doc: "the lock, as pg_locks.mode names it",
        },
        Param {
            name: "lasts",
            default: Some("5s"),
            kind: Kind::Duration(LASTS_MAX),
            doc: "how long it hangs each time",
        },
        Param {
            name: "times",
            default: Some("1"),
            kind: Kind::Whole(1, TIMES_MAX),
            doc: "how often it hangs",
        },
    ],
    start,
};

/// Who holds the lock now. A lock that is held for milliseconds must be met while it is.
const HOLDER: &str = "\
SELECT l.pid
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.granted
  AND l.relation = pg_catalog.to_regclass($1)::oid
  AND l.mode = $2
  AND a.backend_type = $3";
const LOOKS_EVERY: Duration = Duration::from_millis(1);
/// A drill is over long before.
const TIMES_MAX: u32 = 1_000;

struct Stopped {
    relation: String,
    n_done: Arc<AtomicU64>,
    /// What became of it, where it could not go on.
    why: Arc<Mutex<Option<String>>>,
    stop: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
}

/// Whom to stop, and for how long.
struct Plan {
    relation: String,
    mode: String,
    backend: String,
    lasts: Duration,
    times: u64,
}

fn start(cx: &FaultCx<'_>, params: &Params) -> Result<Box<dyn Running>, Error> {
    let session = open(cx)?;
    let plan = Plan {
        relation: text(params, "relation").to_owned(),
        mode: text(params, "mode").to_owned(),
        backend: text(params, "backend").replace('_', " "),
        lasts: duration(FAULT.id, params, "lasts")?,
        times: number(FAULT.id, params, "times")?,
    };
    let known: bool =
        session.query_one("SELECT pg_catalog.to_regclass($1) IS NOT NULL", &[&plan.relation])?;
    if !known {
        let why = format!("there is no relation {}", plan.relation);
        return Err(Error::Fault { fault: FAULT.id, why });
    }
    let relation = plan.relation.clone();
    let (n_done, why) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None)));
    let stop = Arc::new(AtomicBool::new(false));
    let (counted, failed, stopped) = (Arc::clone(&n_done), Arc::clone(&why), Arc::clone(&stop));
    let watcher = std::thread::spawn(move || {
        if let Err(error) = watch(&session, &plan, &counted, &stopped) {
            *failed.lock().unwrap_or_else(|e| e.into_inner()) = Some(error.to_string());
        }
    });
    Ok(Box::new(Stopped { relation, n_done, why, stop, watcher: Some(watcher) }))
}

fn watch(
    session: &Session,
    plan: &Plan,
    n_done: &AtomicU64,
    stop: &AtomicBool,
) -> Result<(), pgward_pg::error::Error> {
    while n_done.load(Ordering::SeqCst) < plan.times && !stop.load(Ordering::SeqCst) {
        let Some(pid) = holder(session, plan)? else {
            std::thread::sleep(LOOKS_EVERY);
            continue;
        };
        let Some(held) = Held::stop(pid, plan.lasts) else { continue };
        // It may have let go between the look and the signal.
        if holder(session, plan)? != Some(pid) {
            continue;
        }
        n_done.fetch_add(1, Ordering::SeqCst);
        while !held.is_over() && !stop.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}

fn holder(session: &Session, plan: &Plan) -> Result<Option<i32>, pgward_pg::error::Error> {
    let rows = session.query(HOLDER, &[&plan.relation, &plan.mode, &plan.backend])?;
    rows.first().map(|row| get(row, 0)).transpose()
}

/// A process that is stopped; it goes on after a time or when this is dropped. A thread of its
/// own sees to it: what it holds may be what the next look at the server would wait for.
struct Held {
    end: Arc<AtomicBool>,
    clock: Option<JoinHandle<()>>,
}

impl Held {
    /// `None` when it is gone already.
    fn stop(pid: i32, lasts: Duration) -> Option<Held> {
        let pid = unistd::Pid::from_raw(pid);
        kill(pid, Signal::SIGSTOP).ok()?;
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let clock = std::thread::spawn(move || {
            let deadline = clock::Deadline::after(lasts);
            while !deadline.passed() && !ended.load(Ordering::SeqCst) {
                std::thread::sleep(deadline.left().min(Duration::from_millis(5)));
            }
            kill(pid, Signal::SIGCONT).ok();
        });
        Some(Held { end, clock: Some(clock) })
    }

    fn is_over(&self) -> bool {
        self.clock.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.end.store(true, Ordering::SeqCst);
        if let Some(clock) = self.clock.take() {
            clock.join().ok();
        }
    }
}

impl Running for Stopped {
    fn truth(&self) -> Truth {
        let n_done = self.n_done.load(Ordering::SeqCst);
        let why = self.why.lock().unwrap_or_else(|e| e.into_inner());
        let but = why.as_ref().map_or(String::new(), |why| format!("; then it failed: {why}"));
        let says = format!("a process hung {n_done} times with a lock on {}{but}", self.relation);
        Truth { says, n_done, blocks: Vec::new() }
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(watcher) = self.watcher.take() {
            watcher.join().ok();
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.stop();
    }
}
