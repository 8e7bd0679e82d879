//! Drops a share of new connections: refused, cut while they log in, or cut within a request.

use super::{Fault, FaultCx, Kind, Param, Params, Running, Truth, number, open};
use crate::error::Error;
use crate::proxy::{Dial, ProxyCounts};

pub(super) static FAULT: Fault = Fault {
    id: "net_drop",
    title: "a share of connections is dropped between clients and server",
    params: &[Param {
        name: "percent",
        default: Some("1"),
        kind: Kind::Number(0.0, 100.0),
        doc: "share of new connections that are dropped, 0 to 100",
    }],
    start,
};

struct NetDrop {
    dial: Dial,
    percent: f64,
    before: ProxyCounts,
}

fn start(cx: &FaultCx<'_>, params: &Params) -> Result<Box<dyn Running>, Error> {
    open(cx)?;
    let percent: f64 = number(FAULT.id, params, "percent")?;
    let dial = cx.proxy.map(crate::proxy::Proxy::dial).ok_or_else(|| Error::Fault {
        fault: FAULT.id,
        why: "the load does not go through a proxy that could drop anything".to_owned(),
    })?;
    let before = dial.counts();
    dial.drop_percent(percent);
    Ok(Box::new(NetDrop { dial, percent, before }))
}

impl Running for NetDrop {
    fn truth(&self) -> Truth {
        let now = self.dial.counts();
        let dropped = now.dropped - self.before.dropped;
        let accepted = now.accepted - self.before.accepted;
        let says = format!("{dropped} of {accepted} connections dropped (aim: {} %)", self.percent);
        Truth { says, n_done: dropped, blocks: Vec::new() }
    }

    fn stop(&mut self) {
        self.dial.drop_percent(0.0);
    }
}

impl Drop for NetDrop {
    fn drop(&mut self) {
        self.stop();
    }
}
