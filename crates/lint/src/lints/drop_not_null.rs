//! A column that was never empty may be from now on.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "drop_not_null",
    severity: Severity::Note,
    title: "a column may be NULL from now on",
    harm: "clients that never met a NULL there fail on the first one; the way back reads the \
           whole table and fails while one is left",
    instead: "deploy clients that bear a NULL first",
    source: "ALTER TABLE, DROP NOT NULL",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a DROP NOT NULL;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a DROP NOT NULL;",
            catalog: "CREATE TABLE t (a int);",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a DROP NOT NULL, DROP COLUMN a;",
            catalog: "",
            finds: &[],
        },
        Example { sql: "ALTER TABLE t ALTER COLUMN a DROP DEFAULT;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command: Alter::DropNotNull { column }, .. } = action
            else {
                continue;
            };
            let known = cx
                .table(relation)
                .and_then(|t| t.columns.iter().find(|c| c.name == *column).map(|c| c.not_null));
            if known == Some(false) || !cx.existed(site, relation) || goes(cx, relation, column) {
                continue;
            }
            let message = format!("{relation}.{column} may be NULL from now on");
            found.push(site.finding(&LINT, Severity::Note, message));
        }
    }
}

fn goes(cx: &Context, relation: &Relation, column: &str) -> bool {
    crate::tables::everywhere(cx).any(|a| match a {
        Action::Alter { relation: r, command: Alter::DropColumn { name, .. }, .. } => {
            r.same_as(relation) && name == column
        }
        _ => false,
    })
}
