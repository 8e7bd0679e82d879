//! What is wrong, in one sentence.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "{{id}}",
    severity: Severity::Error,
    title: "what is wrong, in one line",
    harm: "what happens to the people who use the database",
    instead: "what to do instead",
    source: "the manual's page and section",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE users DROP COLUMN login;",
            catalog: "",
            finds: &[Severity::Error],
        },
        // A near miss, on which it must stay silent.
        Example {
            sql: "CREATE TABLE n (a int); ALTER TABLE n DROP COLUMN a;",
            catalog: "",
            finds: &[],
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
            let message = format!("{relation}.{name}: names the object and what goes wrong");
            let finding = site.finding(&LINT, Severity::Error, message);
            found.push(cx.sized(finding, relation));
        }
    }
}
