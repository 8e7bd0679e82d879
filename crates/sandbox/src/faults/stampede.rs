//! A cache in front of the load is flushed: many more clients ask the same, until it is filled.

use super::{Fault, FaultCx, Param, Params, Running, Truth, duration, number, open, text};
use crate::error::Error;
use crate::load::Added;
use pgward_pg::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

pub(super) static FAULT: Fault = Fault {
    id: "stampede",
    title: "many more clients ask the same, until the cache is filled again",
    params: &[
        Param { name: "session", default: None, doc: "the session of the load they join" },
        Param { name: "clients", default: Some("60"), doc: "how many" },
        Param { name: "lasts", default: Some("60s"), doc: "until the cache is filled again" },
    ],
    start,
};

struct Stampede {
    says: String,
    n: u32,
    added: Arc<Mutex<Added>>,
    stop: Arc<AtomicBool>,
    cache: Option<JoinHandle<()>>,
}

fn start(cx: &FaultCx<'_>, params: &Params) -> Result<Box<dyn Running>, Error> {
    open(cx)?;
    let load = cx.load.ok_or_else(|| Error::Fault {
        fault: FAULT.id,
        why: "there is no load to add clients to".to_owned(),
    })?;
    let session = text(params, "session");
    let n = number(FAULT.id, params, "clients")?;
    let lasts = duration(FAULT.id, params, "lasts")?;
    let added = Arc::new(Mutex::new(load.add_clients(session, n)?));
    let stop = Arc::new(AtomicBool::new(false));
    let (clients, stopped) = (Arc::clone(&added), Arc::clone(&stop));
    let cache = std::thread::spawn(move || {
        let deadline = clock::Deadline::after(lasts);
        while !deadline.passed() && !stopped.load(Ordering::SeqCst) {
            std::thread::sleep(deadline.left().min(Duration::from_millis(50)));
        }
        clients.lock().unwrap_or_else(|e| e.into_inner()).stop();
    });
    let says = format!("{n} clients that a cache had served joined session {session}");
    Ok(Box::new(Stampede { says, n, added, stop, cache: Some(cache) }))
}

impl Running for Stampede {
    fn truth(&self) -> Truth {
        Truth { says: self.says.clone(), n_done: u64::from(self.n), blocks: Vec::new() }
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(cache) = self.cache.take() {
            cache.join().ok();
        }
        self.added.lock().unwrap_or_else(|e| e.into_inner()).stop();
    }
}

impl Drop for Stampede {
    fn drop(&mut self) {
        self.stop();
    }
}
