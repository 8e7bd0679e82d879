//! DDL that happened.

use super::{Column, Holds, Rows, Seen, Series, column};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};

pub(crate) static SERIES: Series = Series {
    id: "ddl",
    about: "DDL that happened, from the DDL log or from differences of the catalog",
    columns: COLUMNS,
    order: &["at"],
    fold: None,
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "when it happened, or was found"),
    column("pid", Holds::Whole, "backend that ran it"),
    column("role", Holds::Text, "role that ran it"),
    column("application", Holds::Text, "its application_name"),
    column("client", Holds::Text, "where it came from"),
    column("command", Holds::Text, "DROP TABLE, CREATE INDEX, ..."),
    column("object_kind", Holds::Text, "table, index, column, view, ..."),
    column("identity", Holds::Text, "the object"),
    column("schema", Holds::Text, "schema of its table"),
    column("relation", Holds::Text, "its table"),
    column("dropped", Holds::Yes, "is it gone?"),
    column("old_definition", Holds::Text, "what it was"),
    column("xid", Holds::Whole, "transaction that did it"),
    column("lsn", Holds::Text, "WAL position at or shortly before it"),
    column("statement", Holds::Text, "the statement as sent"),
    column("seen_by", Holds::Text, "event_trigger or catalog_difference"),
];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) pid: Pid,
    pub(crate) role: String,
    pub(crate) application: String,
    pub(crate) client: String,
    pub(crate) command: String,
    pub(crate) object_kind: String,
    pub(crate) identity: String,
    pub(crate) schema: Option<String>,
    pub(crate) relation: Option<String>,
    pub(crate) dropped: bool,
    pub(crate) old_definition: Option<String>,
    pub(crate) xid: Option<u64>,
    pub(crate) lsn: Option<String>,
    pub(crate) statement: String,
    pub(crate) seen_by: DdlWitness,
}

fn take(_: &mut Seen, sample: &Sample, rows: &mut Rows) {
    for event in &sample.ddl {
        let row = Row {
            at: event.at,
            pid: event.pid,
            role: event.role.clone(),
            application: event.application.clone(),
            client: event.client.clone(),
            command: event.command.clone(),
            object_kind: event.object_kind.clone(),
            identity: event.identity.clone(),
            schema: event.relation.as_ref().map(|r| r.schema.clone()),
            relation: event.relation.as_ref().map(|r| r.name.clone()),
            dropped: event.dropped,
            old_definition: event.old_definition.clone(),
            xid: event.xid,
            lsn: event.lsn.clone(),
            statement: event.statement.clone(),
            seen_by: event.seen_by,
        };
        rows.push(&SERIES, &row);
    }
}
