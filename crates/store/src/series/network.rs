//! The path to the server, probed each second.

use super::{Column, Holds, Rows, Seen, Series, column, millis};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};

pub(crate) static SERIES: Series = Series {
    id: "network",
    about: "the path to the server, probed each second",
    columns: COLUMNS,
    order: &["at"],
    fold: None,
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "when it was probed"),
    column("tried", Holds::Whole, "new connections tried"),
    column("failed", Holds::Whole, "of these, failed by the path or the server"),
    column("refused", Holds::Whole, "of these, refused: no slot left, or a wrong login"),
    column("closed", Holds::Yes, "did the host answer that nobody listens on the port?"),
    column("dns_ms", Holds::Millis, "resolving the server's name; NULL: an address, or in vain"),
    column("dns_failed", Holds::Yes, "did the name not resolve?"),
    column("tcp_ms", Holds::Millis, "TCP handshake alone; NULL where none was tried"),
    column("connect_ms", Holds::Millis, "mean time of a new connection that came up"),
    column("round_trip_ms", Holds::Millis, "SELECT 1 over the standing connection"),
];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) tried: u32,
    pub(crate) failed: u32,
    pub(crate) refused: u32,
    pub(crate) closed: bool,
    pub(crate) dns_ms: Option<f64>,
    pub(crate) dns_failed: bool,
    pub(crate) tcp_ms: Option<f64>,
    pub(crate) connect_ms: Option<f64>,
    pub(crate) round_trip_ms: Option<f64>,
}

fn take(_: &mut Seen, sample: &Sample, rows: &mut Rows) {
    let Some(probe) = sample.probe.as_ref() else { return };
    let row = Row {
        at: sample.at,
        tried: probe.tried,
        failed: probe.failed,
        refused: probe.refused,
        closed: probe.closed,
        dns_ms: probe.dns_ms.map(millis),
        dns_failed: probe.dns_failed,
        tcp_ms: probe.tcp_ms.map(millis),
        connect_ms: probe.connect_ms.map(millis),
        round_trip_ms: probe.round_trip_ms.map(millis),
    };
    rows.push(&SERIES, &row);
}
