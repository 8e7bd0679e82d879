//! A table that others use gets another name.

use crate::context::{Context, Site};
use crate::users::users_of_table;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "rename_table",
    severity: Severity::Error,
    title: "a table that others use gets another name",
    harm: "every statement of running clients that uses the old name fails from the moment of \
           the commit",
    instead: "create a view with the old name in the same transaction, move the clients, then \
              drop it",
    source: "ALTER TABLE, RENAME; CREATE VIEW, Updatable Views",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE users RENAME TO accounts;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE users SET SCHEMA old;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "BEGIN; ALTER TABLE users RENAME TO accounts; CREATE VIEW users AS SELECT * \
                  FROM accounts; COMMIT;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "CREATE TABLE n (a int); ALTER TABLE n RENAME TO m;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let (relation, now) = match action {
                Action::RenameRelation { relation, kind, to } if kind != "index" => {
                    (relation, to.clone())
                }
                Action::SetSchema { relation, schema, kind } if kind == "table" => {
                    (relation, format!("{schema}.{}", relation.name))
                }
                _ => continue,
            };
            if !cx.existed(site, relation) {
                continue;
            }
            let message =
                format!("{relation} becomes {now}: statements with the old name fail at once");
            if has_stand_in(cx, site, relation) {
                let message = format!("{relation} becomes {now}, a view takes its old name");
                found.push(site.finding(&LINT, Severity::Warning, message));
                continue;
            }
            found.push(site.finding(&LINT, Severity::Error, message.clone()));
            let users = users_of_table(cx, relation);
            found.extend(users.finding(cx, site, &LINT, &message));
        }
    }
}

/// A view of the old name, made in the same transaction.
fn has_stand_in(cx: &Context, site: &Site, old: &Relation) -> bool {
    cx.sites.iter().skip(site.index).take_while(|s| s.in_transaction).any(|s| {
        s.actions
            .iter()
            .any(|a| matches!(a, Action::CreateView { relation, .. } if relation.same_as(old)))
    })
}
