//! Adds clients to a session of the load: traffic that is there, and is not the cause.

use super::{Fault, FaultCx, Param, Params, Running, Truth, number, open, text};
use crate::error::Error;
use crate::load::Added;

pub(super) static FAULT: Fault = Fault {
    id: "more_clients",
    title: "more clients send the same requests",
    params: &[
        Param { name: "session", default: None, doc: "the session of the load they join" },
        Param { name: "clients", default: Some("4"), doc: "how many" },
    ],
    start,
};

struct MoreClients {
    session: String,
    n: u32,
    added: Added,
}

fn start(cx: &FaultCx<'_>, params: &Params) -> Result<Box<dyn Running>, Error> {
    open(cx)?;
    let load = cx.load.ok_or_else(|| Error::Fault {
        fault: FAULT.id,
        why: "there is no load to add clients to".to_owned(),
    })?;
    let session = text(params, "session").to_owned();
    let n = number(FAULT.id, params, "clients")?;
    let added = load.add_clients(&session, n)?;
    Ok(Box::new(MoreClients { session, n, added }))
}

impl Running for MoreClients {
    fn truth(&self) -> Truth {
        let says = format!("{} clients joined session {}", self.n, self.session);
        Truth { says, n_done: u64::from(self.n), blocks: Vec::new() }
    }

    fn stop(&mut self) {
        self.added.stop();
    }
}
