//! A view, function, type or sequence that others use is dropped.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "drop_object",
    severity: Severity::Warning,
    title: "a view, function, type or sequence that others use is dropped",
    harm: "every statement of running clients that names it fails from the moment of the \
           commit",
    instead: "deploy clients that do not use it first",
    source: "DROP VIEW; DROP FUNCTION; DROP TYPE; DROP SEQUENCE",
    guards_rows: false,
    examples: &[
        Example { sql: "DROP VIEW report;", catalog: "", finds: &[Severity::Warning] },
        Example { sql: "DROP FUNCTION f(int);", catalog: "", finds: &[Severity::Warning] },
        Example { sql: "DROP TRIGGER t ON orders;", catalog: "", finds: &[Severity::Warning] },
        Example {
            sql: "ALTER TABLE orders DROP CONSTRAINT orders_pkey;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example { sql: "DROP INDEX CONCURRENTLY i;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for e in &site.statement.effects {
            if !e.existed_before {
                continue;
            }
            let message = match &e.destroys {
                Destroys::Object(what) if !what.starts_with("schema") => {
                    match e.relation.name.as_str() {
                        name if what.ends_with(name) || what.contains('(') => {
                            format!("{what} goes: statements that use it fail at once")
                        }
                        _ => format!("{what} of {} goes", e.relation),
                    }
                }
                Destroys::Constraint(name) => {
                    format!("constraint {name} of {} no longer holds", e.relation)
                }
                _ => continue,
            };
            found.push(site.finding(&LINT, Severity::Warning, message));
        }
    }
}
