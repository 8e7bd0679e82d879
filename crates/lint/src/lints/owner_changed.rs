//! A table gets another owner.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "owner_changed",
    severity: Severity::Note,
    title: "a table gets another owner",
    harm: "the old owner loses every right that came with owning it, to alter it among them, and \
           no row security holds for the new one",
    instead: "GRANT the old owner what its clients need in the same transaction",
    source: "ALTER TABLE, OWNER TO; Privileges",
    guards_rows: false,
    examples: &[
        Example { sql: "ALTER TABLE a OWNER TO app;", catalog: "", finds: &[Severity::Note] },
        Example {
            sql: "ALTER TABLE t OWNER TO CURRENT_USER;",
            catalog: "CREATE TABLE t (a int);",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE TABLE n (a int); ALTER TABLE n OWNER TO app;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command: Alter::SetOwner { role }, .. } = action else {
                continue;
            };
            let owner = cx.table(relation).map(|t| quote_ident(&t.owner)).unwrap_or_default();
            if !cx.existed(site, relation) || owner == *role {
                continue;
            }
            let from = if owner.is_empty() { "its owner" } else { &owner };
            let message = format!("{relation} goes from {from} to {role}");
            found.push(site.finding(&LINT, Severity::Note, message));
        }
    }
}
