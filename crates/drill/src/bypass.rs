//! Goes round pgward: runs a change the way a deploy tool or a person with psql does.

use crate::error::Error;
use crate::scenario::ScenarioFile;
use pgward_pg::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Sessions that did the harm; the truth against which signals are judged.
#[derive(Clone, Default)]
pub(crate) struct Culprits(Arc<Mutex<Vec<i32>>>);

impl Culprits {
    pub(crate) fn pids(&self) -> Vec<i32> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    fn add(&self, pid: i32) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).push(pid);
    }
}

/// A session at work in its own thread; ends when stopped or dropped.
pub(crate) struct Bypass {
    application: &'static str,
    stop: Arc<AtomicBool>,
    failed: Arc<Mutex<Option<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Bypass {
    /// Sends the statements one by one and stops at the first error, as
    /// `psql -v ON_ERROR_STOP=1 -f FILE` does; then keeps the session open for `hold`. A
    /// session that does harm is entered among the culprits.
    pub(crate) fn start(
        target: Target,
        application: &'static str,
        text: &str,
        after: Duration,
        hold: Duration,
        culprits: Option<&Culprits>,
    ) -> Bypass {
        let stop = Arc::new(AtomicBool::new(false));
        let failed = Arc::new(Mutex::new(None));
        let (stopped, culprits) = (Arc::clone(&stop), culprits.cloned());
        let why = Arc::clone(&failed);
        let statements: Vec<String> =
            pgward_sql::read("-", text).statements.into_iter().map(|s| s.text).collect();
        let work = move || {
            pause(after, &stopped);
            let session = Session::connect(&target, Purpose::Application(application))?;
            if let Some(culprits) = culprits {
                culprits.add(session.pid());
            }
            for statement in &statements {
                session.simple(&format!("{statement};"))?;
            }
            pause(hold, &stopped);
            Ok::<_, pgward_pg::error::Error>(())
        };
        let thread = std::thread::spawn(move || {
            if let Err(error) = work() {
                *why.lock().unwrap_or_else(|e| e.into_inner()) = told(&error);
            }
        });
        Bypass { application, stop, failed, thread: Some(thread) }
    }

    /// Who it was and what it failed with, so far; nothing where somebody cancelled or ended it.
    pub(crate) fn failure(&self) -> Option<(&str, String)> {
        let why = self.failed.lock().unwrap_or_else(|e| e.into_inner()).clone()?;
        Some((self.application, why))
    }
}

fn told(error: &pgward_pg::error::Error) -> Option<String> {
    let ended = matches!(error.sqlstate(), Some("57014" | "57P01"));
    (!ended).then(|| error.message())
}

impl Drop for Bypass {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A statement that fails is part of the scenario, not of the drill.
            let _ = thread.join();
        }
    }
}

fn pause(time: Duration, stop: &AtomicBool) {
    let deadline = clock::Deadline::after(time);
    while !deadline.passed() && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(deadline.left().min(Duration::from_millis(50)));
    }
}

/// The change as the deploy sends it: its variables replaced, unset ones by nothing.
///
/// # Errors
/// None today; a file that cannot be rendered is sent as it is.
pub(crate) fn rendered(file: &ScenarioFile) -> Result<String, Error> {
    Ok(pgward_sql::template::render(&file.text, &file.vars))
}
