//! Lines of the server log.

use super::{Column, Holds, Rows, Seen, Series, column};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};

pub(crate) static SERIES: Series = Series {
    id: "log",
    about: "lines of the server log, at most 100 a second; log_classes counts them all",
    columns: COLUMNS,
    order: &["severity", "sqlstate", "at"],
    fold: None,
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "when the server wrote it"),
    column("pid", Holds::Whole, "process that wrote it"),
    column("role", Holds::Text, "role of the session"),
    column("database", Holds::Text, "its database"),
    column("application", Holds::Text, "its application_name"),
    column("client", Holds::Text, "where it comes from"),
    column("severity", Holds::Text, "LOG, WARNING, ERROR, FATAL, PANIC"),
    column("sqlstate", Holds::Text, "SQLSTATE"),
    column("class", Holds::Text, "class of the message, as pgward logs names it"),
    column("message", Holds::Text, "the message"),
    column("detail", Holds::Text, "its detail"),
    column("context", Holds::Text, "its context"),
    column("fingerprint", Holds::Text, "the statement it is about; the text stands in texts"),
];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) pid: Pid,
    pub(crate) role: String,
    pub(crate) database: String,
    pub(crate) application: String,
    pub(crate) client: String,
    pub(crate) severity: String,
    pub(crate) sqlstate: String,
    pub(crate) class: String,
    pub(crate) message: String,
    pub(crate) detail: String,
    pub(crate) context: String,
    pub(crate) fingerprint: Option<String>,
}

/// A second that writes more says the same over and over.
const LINES_MAX: usize = 100;

fn take(seen: &mut Seen, sample: &Sample, rows: &mut Rows) {
    for entry in sample.log.iter().take(LINES_MAX) {
        let is_about = !entry.statement.is_empty();
        let fingerprint = is_about.then(|| seen.texts.name(sample.at, &entry.statement, rows));
        let row = Row {
            at: entry.at,
            pid: entry.pid,
            role: entry.role.clone(),
            database: entry.database.clone(),
            application: entry.application.clone(),
            client: entry.client.clone(),
            severity: entry.severity.clone(),
            sqlstate: entry.sqlstate.clone(),
            class: entry.class.clone(),
            message: entry.message.clone(),
            detail: entry.detail.clone(),
            context: entry.context.clone(),
            fingerprint,
        };
        rows.push(&SERIES, &row);
    }
}
