//! A column that others use gets another name.

use crate::context::Context;
use crate::users::users_of_column;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "rename_column",
    severity: Severity::Error,
    title: "a column that others use gets another name",
    harm: "every statement of running clients that uses the old name fails from the moment of \
           the commit",
    instead: "add the new column, write both, move the clients, then drop the old one",
    source: "ALTER TABLE, RENAME",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE users RENAME COLUMN login TO email;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE TABLE n (a int); ALTER TABLE n RENAME a TO b;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t RENAME COLUMN b TO c;",
            catalog: "CREATE TABLE t (b int); CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS \
                      'SELECT b FROM t';",
            finds: &[Severity::Error, Severity::Error],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::RenameColumn { relation, from, to, .. } = action else { continue };
            if !cx.existed(site, relation) {
                continue;
            }
            let message = format!(
                "{relation}.{from} becomes {to}: statements with the old name fail at once"
            );
            found.push(site.finding(&LINT, Severity::Error, message.clone()));
            let users = users_of_column(cx, relation, from);
            found.extend(users.finding(cx, site, &LINT, &message));
        }
    }
}
