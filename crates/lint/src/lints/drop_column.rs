//! A column that others use is dropped.

use crate::context::Context;
use crate::users::users_of_column;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "drop_column",
    severity: Severity::Error,
    title: "a column that others use is dropped",
    harm: "its values are gone for good and every statement of running clients that names it \
           fails",
    instead: "first deploy clients that do not use it and keep a copy of its values, then drop \
              it",
    source: "ALTER TABLE, DROP COLUMN",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE users DROP COLUMN login;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE TABLE n (a int); ALTER TABLE n DROP COLUMN a;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t DROP COLUMN b;",
            catalog: "CREATE TABLE t (a int, b int); CREATE VIEW v AS SELECT b FROM t;",
            finds: &[Severity::Error, Severity::Error],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command: Alter::DropColumn { name, .. }, .. } = action
            else {
                continue;
            };
            if !cx.existed(site, relation) {
                continue;
            }
            let message = format!(
                "{relation}.{name} goes with all its values, and statements with it fail at once"
            );
            let finding = site.finding(&LINT, Severity::Error, message.clone());
            found.push(cx.sized(finding, relation));
            let users = users_of_column(cx, relation, name).and_views(cx, relation, name);
            found.extend(users.finding(cx, site, &LINT, &message));
        }
    }
}
