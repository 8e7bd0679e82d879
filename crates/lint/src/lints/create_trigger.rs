//! A trigger that every write goes through from now on.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "create_trigger",
    severity: Severity::Note,
    title: "a trigger on a table that others write",
    harm: "it takes SHARE ROW EXCLUSIVE, so writes wait until the commit; from then on every \
           write runs its function, pays for it and fails with it",
    instead: "SET lock_timeout before it; measure a batch of writes with it first",
    source: "CREATE TRIGGER; Explicit Locking",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE TABLE n (a int); CREATE TRIGGER g BEFORE INSERT ON n FOR EACH ROW \
                  EXECUTE FUNCTION f();",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "DROP TRIGGER g ON t; CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE \
                  FUNCTION f();",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Create { kind, name, tables, .. } = action else { continue };
            let Some(table) = tables.first().filter(|_| kind == "trigger") else { continue };
            let made_again = crate::tables::before(cx, site).any(|a| match a {
                Action::Drop(d) => d.kind == "trigger" && d.written.contains(name),
                _ => false,
            });
            if made_again || !cx.existed(site, table) {
                continue;
            }
            let message = format!(
                "SHARE ROW EXCLUSIVE on {table} until the commit; then trigger {name} runs with \
                 its writes"
            );
            let sql = Some("SET lock_timeout = '2s';".to_owned());
            found.push(
                site.finding(&LINT, Severity::Note, message)
                    .fix(LINT.instead, sql)
                    .placed(FixPlace::Before),
            );
        }
    }
}
