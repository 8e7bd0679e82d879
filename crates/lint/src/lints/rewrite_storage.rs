//! A change of storage rewrites the whole table.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "rewrite_storage",
    severity: Severity::Error,
    title: "a change of storage rewrites the whole table",
    harm: "SET LOGGED, UNLOGGED, ACCESS METHOD and TABLESPACE copy the table under ACCESS \
           EXCLUSIVE: nobody reads or writes meanwhile",
    instead: "fill a new table in batches and swap names",
    source: "ALTER TABLE",
    guards_rows: false,
    examples: &[
        Example { sql: "ALTER TABLE a SET UNLOGGED;", catalog: "", finds: &[Severity::Error] },
        Example {
            sql: "ALTER TABLE a SET TABLESPACE fast;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example { sql: "ALTER TABLE a SET (fillfactor = 70);", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter {
                relation,
                command:
                    command @ (Alter::SetLogged { .. }
                    | Alter::SetAccessMethod { .. }
                    | Alter::SetTablespace { .. }),
                ..
            } = action
            else {
                continue;
            };
            if !cx.existed(site, relation) {
                continue;
            }
            let severity = cx.weigh(relation, Severity::Error);
            let message = format!(
                "ACCESS EXCLUSIVE on {relation} while it is copied{}",
                match command {
                    Alter::SetLogged { logged: false } => "; unlogged, a crash empties it",
                    _ => "",
                }
            );
            let finding = site.finding(&LINT, severity, message).fix(LINT.instead, None);
            found.push(cx.sized(finding, relation));
        }
    }
}
