//! Who was connected and what they did: one row a second for whoever was at work.

use super::{Column, Holds, Rows, Seen, Series, column};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};

pub(crate) static SERIES: Series = Series {
    id: "sessions",
    about: "who was connected: each second whoever was at work, in a transaction or in another's \
            way; the idle once a minute",
    columns: COLUMNS,
    order: &["pid", "at"],
    fold: None,
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "when it was seen"),
    column("pid", Holds::Whole, "process id of the backend"),
    column("role", Holds::Text, "role it has logged in as"),
    column("application", Holds::Text, "application_name"),
    column("client", Holds::Text, "address it comes from; empty on a unix socket"),
    column("database", Holds::Text, "database it is in"),
    column("backend_start", Holds::Moment, "when it connected"),
    column("xact_start", Holds::Moment, "when its transaction began"),
    column("query_start", Holds::Moment, "when its statement began"),
    column("state_change", Holds::Moment, "when its state began; NULL: with the statement"),
    column("state", Holds::Text, "active, idle in transaction, idle, ..."),
    column("wait_type", Holds::Text, "Lock, LWLock, IO, Client, ...; empty: runs on a CPU"),
    column("wait_event", Holds::Text, "what exactly it waits for"),
    column("xid", Holds::Whole, "its transaction id, once it has written"),
    column("fingerprint", Holds::Text, "its statement; the text stands in texts"),
    column("blocked_by", Holds::Wholes, "pids whose locks it waits for; 0: a prepared transaction"),
];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) pid: Pid,
    pub(crate) role: String,
    pub(crate) application: String,
    pub(crate) client: String,
    pub(crate) database: String,
    pub(crate) backend_start: Timestamp,
    pub(crate) xact_start: Option<Timestamp>,
    pub(crate) query_start: Option<Timestamp>,
    pub(crate) state_change: Option<Timestamp>,
    pub(crate) state: String,
    pub(crate) wait_type: String,
    pub(crate) wait_event: String,
    pub(crate) xid: Option<u64>,
    pub(crate) fingerprint: Option<String>,
    #[serde(default)]
    pub(crate) blocked_by: Vec<Pid>,
}

/// The minute for which the idle were noted.
#[derive(Debug, Default)]
pub(crate) struct Before {
    minute: i64,
}

fn take(seen: &mut Seen, sample: &Sample, rows: &mut Rows) {
    let minute = sample.at.as_second().div_euclid(60);
    let all = minute != seen.sessions.minute;
    if !sample.sessions.is_empty() {
        seen.sessions.minute = minute;
    }
    for session in sample.sessions.iter().filter(|s| all || is_busy(s)) {
        let fingerprint = fingerprint(seen, sample.at, session, rows);
        let state_change = session.state_change.filter(|c| Some(*c) != session.query_start);
        let row = Row {
            at: sample.at,
            pid: session.pid,
            role: session.role.clone(),
            application: session.application.clone(),
            client: session.client.clone(),
            database: session.database.clone(),
            backend_start: session.backend_start,
            xact_start: session.xact_start,
            query_start: session.query_start,
            state_change,
            state: session.state.clone(),
            wait_type: session.wait_type.clone(),
            wait_event: session.wait_event.clone(),
            xid: session.xid,
            fingerprint,
            blocked_by: session.blocked_by.clone(),
        };
        rows.push(&SERIES, &row);
    }
}

/// Whoever is idle and holds nothing up is as good as absent for a minute.
fn is_busy(session: &SessionSample) -> bool {
    session.state != "idle" || !session.blocked_by.is_empty() || !session.holds.is_empty()
}

/// The fingerprint of the whole statement where the server counts it under its id; the text a
/// session shows may be cut.
fn fingerprint(
    seen: &mut Seen,
    at: Timestamp,
    session: &SessionSample,
    rows: &mut Rows,
) -> Option<String> {
    if session.query.is_empty() || session.query.starts_with('<') {
        return None; // <insufficient privilege>
    }
    let known = seen.statements.fingerprint(session.query_id).map(str::to_owned);
    known.or_else(|| Some(seen.texts.name(at, &session.query, rows)))
}
