//! INSERT without a list of columns.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;
use std::collections::BTreeSet;

pub(super) static LINT: Lint = Lint {
    id: "insert_without_columns",
    severity: Severity::Note,
    title: "INSERT without a list of columns",
    harm: "values go to the columns by their place: where one was added or dropped meanwhile they \
           end up in another one, or it fails (42601)",
    instead: "name the columns: INSERT INTO t (a, b) VALUES ...",
    source: "INSERT",
    guards_rows: false,
    examples: &[
        Example { sql: "INSERT INTO a VALUES (1, 2);", catalog: "", finds: &[Severity::Note] },
        Example {
            sql: "INSERT INTO a VALUES (1, 2); INSERT INTO a VALUES (3, 4);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example { sql: "INSERT INTO a (x, y) VALUES (1, 2);", catalog: "", finds: &[] },
        Example { sql: "INSERT INTO a DEFAULT VALUES;", catalog: "", finds: &[] },
        Example {
            sql: "CREATE TABLE n (a int); INSERT INTO n VALUES (1);",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let mut told = BTreeSet::new();
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Rows(rows) = action else { continue };
            let bare = rows.verb == StatementKind::Insert && rows.columns.is_empty();
            let defaults = site.statement.text.to_lowercase().contains("default values");
            if bare
                && !defaults
                && cx.existed(site, &rows.relation)
                && told.insert((&site.file.path, &rows.relation))
            {
                let message = format!("the values go to the columns of {} by place", rows.relation);
                found.push(site.finding(&LINT, Severity::Note, message));
            }
        }
    }
}
