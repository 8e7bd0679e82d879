//! Adds clients to a session of the load: a decoy that is there and is not the cause, or, where
//! they are many, those whom a flushed cache had served until it is filled again.

use super::{
    Fault, FaultCx, Kind, LASTS_MAX, Param, Params, Running, Truth, duration, number, open, text,
};
use crate::error::Error;
use crate::load::{Added, CLIENTS_MAX};
use pgward_pg::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

pub(super) static FAULT: Fault = Fault {
    id: "more_clients",
    title: "more clients send the same requests",
    params: &[
        Param {
            name: "session",
            default: None,
            kind: Kind::Text,
            doc: "the session of the load they join",
        },
        Param {
            name: "clients",
            default: Some("4"),
            kind: Kind::Whole(1, CLIENTS_MAX),
            doc: "how many",
        },
        Param {
            name: "lasts",
            default: Some("1h"),
            kind: Kind::Duration(LASTS_MAX),
            doc: "when they leave by themselves",
        },
    ],
    start,
};

struct MoreClients {
    session: String,
    n: u32,
    added: Arc<Mutex<Added>>,
    stop: Arc<AtomicBool>,
    leaving: Option<JoinHandle<()>>,
}

fn start(cx: &FaultCx<'_>, params: &Params) -> Result<Box<dyn Running>, Error> {
    open(cx)?;
    let load = cx.load.ok_or_else(|| Error::Fault {
        fault: FAULT.id,
        why: "there is no load to add clients to".to_owned(),
    })?;
    let session = text(params, "session").to_owned();
    let n = number(FAULT.id, params, "clients")?;
    let lasts = duration(FAULT.id, params, "lasts")?;
    let added = Arc::new(Mutex::new(load.add_clients(&session, n)?));
    let stop = Arc::new(AtomicBool::new(false));
    let (clients, stopped) = (Arc::clone(&added), Arc::clone(&stop));
    let leaving = std::thread::spawn(move || {
        let deadline = clock::Deadline::after(lasts);
        while !deadline.passed() && !stopped.load(Ordering::SeqCst) {
            std::thread::sleep(deadline.left().min(Duration::from_millis(50)));
        }
        clients.lock().unwrap_or_else(|e| e.into_inner()).stop();
    });
    Ok(Box::new(MoreClients { session, n, added, stop, leaving: Some(leaving) }))
}

impl Running for MoreClients {
    fn truth(&self) -> Truth {
        let says = format!("{} clients joined session {}", self.n, self.session);
        Truth { says, n_done: u64::from(self.n), blocks: Vec::new() }
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(leaving) = self.leaving.take() {
            leaving.join().ok();
        }
        self.added.lock().unwrap_or_else(|e| e.into_inner()).stop();
    }
}

impl Drop for MoreClients {
    fn drop(&mut self) {
        self.stop();
    }
}
