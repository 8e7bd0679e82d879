//! A view, function, type or sequence that others use is dropped.

use crate::context::{Context, Site};
use crate::users::{Users, users_of_function, users_of_table};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "drop_object",
    severity: Severity::Error,
    title: "a view, function, type or sequence that others use is dropped",
    harm: "every statement of running clients that names it fails from the moment of the \
           commit",
    instead: "deploy clients that do not use it first",
    source: "DROP VIEW; DROP MATERIALIZED VIEW; DROP FUNCTION; DROP TYPE; DROP SEQUENCE",
    guards_rows: false,
    examples: &[
        Example { sql: "DROP VIEW report;", catalog: "", finds: &[Severity::Warning] },
        Example { sql: "DROP FUNCTION f(int);", catalog: "", finds: &[Severity::Note] },
        Example { sql: "DROP TRIGGER t ON orders;", catalog: "", finds: &[Severity::Note] },
        Example {
            sql: "DROP VIEW report; CREATE VIEW report AS SELECT 1 AS a;",
            catalog: "",
            finds: &[],
        },
        Example { sql: "DROP MATERIALIZED VIEW totals;", catalog: "", finds: &[Severity::Warning] },
        Example {
            sql: "DROP MATERIALIZED VIEW totals; CREATE MATERIALIZED VIEW totals AS SELECT 1 AS a;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "DROP FUNCTION f(int); CREATE FUNCTION f(a int, b int) RETURNS int LANGUAGE sql \
                  AS 'SELECT 1';",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE orders DROP CONSTRAINT orders_pkey;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "DROP VIEW report;",
            catalog: "CREATE VIEW report AS SELECT 1 AS a; CREATE FUNCTION f() RETURNS int \
                      LANGUAGE sql AS 'SELECT a FROM report';",
            finds: &[Severity::Error, Severity::Warning],
        },
        Example {
            sql: "DROP FUNCTION g(int);",
            catalog: "CREATE FUNCTION g(a int) RETURNS int LANGUAGE sql AS 'SELECT a'; CREATE \
                      FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT g(1)';",
            finds: &[Severity::Error, Severity::Note],
        },
        Example { sql: "DROP EXTENSION hstore;", catalog: "", finds: &[Severity::Note] },
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
            let is_made_again = is_made_again(cx, site, e);
            if is_made_again && !is_filled(e) {
                continue;
            }
            let message = match &e.destroys {
                Destroys::Object(what) if is_made_again => format!(
                    "{what} is made again: until it is filled its readers wait or fail, and its \
                     indexes and rights are gone unless they are made again"
                ),
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
            // Clients name views; the rest is mostly named by what goes or changes with it.
            let view = matches!(&e.destroys, Destroys::Object(what) if what.contains("view "));
            let severity = if view { Severity::Warning } else { Severity::Note };
            let finding = site.finding(&LINT, severity, message);
            found.push(match cx.table(&e.relation).filter(|_| is_filled(e)) {
                Some(info) => cx.sized(finding, &e.relation).and(cx.traffic(info)),
                None => finding,
            });
            if let Destroys::Object(what) = &e.destroys
                && !is_made_again
            {
                let message = format!("{what} goes, and is used");
                found.extend(users(cx, what, e).finding(cx, site, &LINT, &message));
            }
        }
    }
}

/// Does it hold rows of its own, which can be had again?
fn is_filled(effect: &Effect) -> bool {
    matches!(&effect.destroys, Destroys::Object(what) if what.starts_with("materialized view"))
}

/// Statements and functions that name a view or call a function that goes.
fn users(cx: &Context, what: &str, effect: &Effect) -> Users {
    match what.split(' ').next() {
        Some("view" | "materialized") => users_of_table(cx, &effect.relation),
        Some("function" | "procedure" | "routine") => users_of_function(cx, &effect.relation),
        _ => Users::default(),
    }
}

/// Is it dropped only to be made again by the same file?
fn is_made_again(cx: &Context, site: &Site, effect: &Effect) -> bool {
    let Destroys::Object(what) = &effect.destroys else { return false };
    let bare = |text: &str| text.split('(').next().unwrap_or("").to_owned();
    let later = cx.sites.iter().skip(site.index + 1).filter(|s| s.file.path == site.file.path);
    later.flat_map(|s| &s.actions).any(|action| match action {
        Action::CreateView { relation, .. } | Action::CreateTableAs { relation, .. } => {
            relation.same_as(&effect.relation)
        }
        Action::Create { kind, name, .. } => bare(what) == bare(&format!("{kind} {name}")),
        _ => false,
    })
}
