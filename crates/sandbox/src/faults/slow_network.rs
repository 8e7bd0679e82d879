//! Slows the network between clients and server: each message arrives late.

use super::{Fault, FaultCx, Kind, Param, Params, Running, Truth, duration, open};
use crate::error::Error;
use crate::proxy::Dial;
use std::time::Duration;

pub(super) static FAULT: Fault = Fault {
    id: "slow_network",
    title: "each message between clients and server arrives late",
    params: &[Param {
        name: "delay",
        default: Some("50ms"),
        kind: Kind::Duration(DELAY_MAX),
        doc: "how late, in each direction",
    }],
    start,
};

/// A connection that waits longer is given up by everybody.
const DELAY_MAX: Duration = Duration::from_secs(60);

struct SlowNetwork {
    dial: Dial,
    delay: Duration,
    before: u64,
}

fn start(cx: &FaultCx<'_>, params: &Params) -> Result<Box<dyn Running>, Error> {
    open(cx)?;
    let delay = duration(FAULT.id, params, "delay")?;
    let dial = cx.proxy.map(crate::proxy::Proxy::dial).ok_or_else(|| Error::Fault {
        fault: FAULT.id,
        why: "the load does not go through a proxy that could slow anything".to_owned(),
    })?;
    let before = dial.counts().delayed;
    dial.delay(delay);
    Ok(Box::new(SlowNetwork { dial, delay, before }))
}

impl Running for SlowNetwork {
    fn truth(&self) -> Truth {
        let n_done = self.dial.counts().delayed - self.before;
        let says = format!("{n_done} messages arrived {} ms late", self.delay.as_millis());
        Truth { says, n_done, blocks: Vec::new() }
    }

    fn stop(&mut self) {
        self.dial.delay(Duration::ZERO);
    }
}

impl Drop for SlowNetwork {
    fn drop(&mut self) {
        self.stop();
    }
}
