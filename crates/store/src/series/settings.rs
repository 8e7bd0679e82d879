//! Settings, roles and rights that changed.

use super::{Column, Holds, Rows, Seen, Series, column};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};

pub(crate) static SERIES: Series = Series {
    id: "settings",
    about: "settings, roles and rights that changed",
    columns: COLUMNS,
    order: &["at"],
    fold: None,
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "when the change was seen"),
    column("kind", Holds::Text, "setting, role, privilege, owner"),
    column("name", Holds::Text, "what changed"),
    column("before", Holds::Text, "what it was"),
    column("after", Holds::Text, "what it is"),
];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) before: String,
    pub(crate) after: String,
}

fn take(_: &mut Seen, sample: &Sample, rows: &mut Rows) {
    for change in &sample.changes {
        let row = Row {
            at: change.at,
            kind: change.kind.clone(),
            name: change.name.clone(),
            before: change.before.clone(),
            after: change.after.clone(),
        };
        rows.push(&SERIES, &row);
    }
}
