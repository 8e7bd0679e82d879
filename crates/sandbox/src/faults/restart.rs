//! Restarts the server, as a person does for a reason of their own; mends its settings when it
//! does not come back.

use super::{Fault, FaultCx, Kind, LASTS_MAX, Param, Params, Running, Truth, duration, open};
use crate::error::Error;
use pgward_pg::prelude::*;
use pgward_pg::server::PrivateServer;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

pub(super) static FAULT: Fault = Fault {
    id: "restart",
    title: "the server is restarted",
    params: &[Param {
        name: "mended_after",
        default: Some("0s"),
        kind: Kind::Duration(LASTS_MAX),
        doc: "when it does not come back: the time until the setting that ALTER SYSTEM wrote last \
              is taken back and the server started; 0s: when the drill ends",
    }],
    start,
};

struct Restart {
    server: Arc<PrivateServer>,
    /// What it died of, and what was taken back.
    says: Arc<Mutex<String>>,
    is_down: bool,
    stop: Arc<AtomicBool>,
    mender: Option<JoinHandle<()>>,
}

fn start(cx: &FaultCx<'_>, params: &Params) -> Result<Box<dyn Running>, Error> {
    drop(open(cx)?);
    let after = duration(FAULT.id, params, "mended_after")?;
    let server = cx.private.map(Arc::clone).ok_or_else(|| Error::Fault {
        fault: FAULT.id,
        why: "the server is none of ours to restart".to_owned(),
    })?;
    let outcome = server.start_again();
    let told = match &outcome {
        Ok(()) => "the server was restarted and came back".to_owned(),
        Err(error) => format!("the server was restarted and did not come back: {error}"),
    };
    let says = Arc::new(Mutex::new(told));
    let stop = Arc::new(AtomicBool::new(false));
    let is_down = outcome.is_err();
    let mut running = Restart { server, says, is_down, stop, mender: None };
    if is_down && !after.is_zero() {
        let (server, stop) = (Arc::clone(&running.server), Arc::clone(&running.stop));
        let says = Arc::clone(&running.says);
        running.mender = Some(std::thread::spawn(move || {
            let deadline = clock::Deadline::after(after);
            while !deadline.passed() && !stop.load(Ordering::SeqCst) {
                std::thread::sleep(deadline.left().min(Duration::from_millis(50)));
            }
            mend(&server, &says);
        }));
    }
    Ok(Box::new(running))
}

/// Takes back the last line of what ALTER SYSTEM wrote and starts the server.
fn mend(server: &PrivateServer, says: &Mutex<String>) {
    let path = server.data_dir().join("postgresql.auto.conf");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().collect();
    let taken = lines.pop().unwrap_or_default().to_owned();
    let mended = fs::write(&path, lines.join("\n") + "\n").map_err(|e| e.to_string());
    let started = mended.and_then(|()| server.start_again().map_err(|e| e.to_string()));
    let mut says = says.lock().unwrap_or_else(|e| e.into_inner());
    *says = match started {
        Ok(()) => format!("{says}; taken back: {taken}"),
        Err(why) => format!("{says}; it did not start without {taken} either: {why}"),
    };
}

impl Running for Restart {
    fn truth(&self) -> Truth {
        let says = self.says.lock().unwrap_or_else(|e| e.into_inner()).clone();
        Truth { says, n_done: 1, blocks: Vec::new() }
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        match self.mender.take() {
            Some(mender) => {
                mender.join().ok();
            }
            None if self.is_down => mend(&self.server, &self.says),
            None => {}
        }
        self.is_down = false;
    }
}

impl Drop for Restart {
    fn drop(&mut self) {
        self.stop();
    }
}
