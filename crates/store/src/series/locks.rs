//! Locks of sessions that wait and of those they wait for.

use super::{Column, Holds, Rows, Seen, Series, column};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};

pub(crate) static SERIES: Series = Series {
    id: "locks",
    about: "each second while anyone waits: the lock that each waits for, and the strongest that \
            those in the way hold on each relation",
    columns: COLUMNS,
    order: &["pid", "at"],
    fold: None,
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "when it was seen"),
    column("pid", Holds::Whole, "who waits or holds"),
    column("granted", Holds::Yes, "does it hold the lock, or wait for it?"),
    column("kind", Holds::Text, "of a lock waited for: relation, transactionid, tuple, ..."),
    column("mode", Holds::Text, "AccessExclusiveLock, RowExclusiveLock, ..."),
    column("schema", Holds::Text, "schema of the relation"),
    column("relation", Holds::Text, "the relation"),
    column("since", Holds::Moment, "when the wait began"),
];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) pid: Pid,
    pub(crate) granted: bool,
    pub(crate) kind: Option<String>,
    pub(crate) mode: String,
    pub(crate) schema: Option<String>,
    pub(crate) relation: Option<String>,
    pub(crate) since: Option<Timestamp>,
}

fn take(_: &mut Seen, sample: &Sample, rows: &mut Rows) {
    for session in &sample.sessions {
        let (at, pid) = (sample.at, session.pid);
        if let Some(wait) = &session.waits_for {
            let row = Row {
                at,
                pid,
                granted: false,
                kind: Some(wait.kind.clone()),
                mode: wait.mode.clone(),
                schema: wait.relation.as_ref().map(|r| r.schema.clone()),
                relation: wait.relation.as_ref().map(|r| r.name.clone()),
                since: wait.since,
            };
            rows.push(&SERIES, &row);
        }
        for held in &session.holds {
            let row = Row {
                at,
                pid,
                granted: true,
                kind: None,
                mode: held.mode.clone(),
                schema: Some(held.relation.schema.clone()),
                relation: Some(held.relation.name.clone()),
                since: None,
            };
            rows.push(&SERIES, &row);
        }
    }
}
