//! A schema, database or everything of a role is dropped.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "drop_schema",
    severity: Severity::Error,
    title: "a schema, database or everything of a role is dropped",
    harm: "every table in it is gone with its rows, whether it is named here or not",
    instead: "drop its objects one by one by name, in a change that says so",
    source: "DROP SCHEMA; DROP DATABASE; DROP OWNED",
    guards_rows: true,
    examples: &[
        Example { sql: "DROP SCHEMA shop CASCADE;", catalog: "", finds: &[Severity::Error] },
        Example { sql: "DROP OWNED BY app;", catalog: "", finds: &[Severity::Error] },
        Example { sql: "DROP DATABASE shop;", catalog: "", finds: &[Severity::Error] },
        Example {
            sql: "DROP SCHEMA s CASCADE;",
            catalog: "CREATE SCHEMA s; CREATE TABLE s.t (a int); INSERT INTO s.t VALUES (1); \
                      ANALYZE s.t;",
            finds: &[Severity::Error, Severity::Error],
        },
        Example { sql: "CREATE SCHEMA n; DROP SCHEMA n;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            match action {
                Action::Drop(d) if d.kind == "schema" => {
                    for name in d.names.iter().filter(|n| !made_here(cx, site, &n.name)) {
                        of_schema(cx, site, &name.name, found);
                    }
                }
                Action::DropOwned { roles } => {
                    let message = format!("everything that {} own goes", roles.join(", "));
                    found.push(site.finding(&LINT, Severity::Error, message));
                }
                Action::DropDatabase { name } => {
                    let message = format!("the whole database {name} goes");
                    found.push(site.finding(&LINT, Severity::Error, message));
                }
                _ => {}
            }
        }
    }
}

fn made_here(cx: &Context, site: &Site, schema: &str) -> bool {
    cx.sites.iter().take(site.index).flat_map(|s| &s.actions).any(|a| {
        matches!(a, Action::Create { kind, name, .. }
            if kind == "schema" && *name == quote_ident(schema))
    })
}

fn of_schema(cx: &Context, site: &Site, schema: &str, found: &mut Vec<Finding>) {
    let message = format!("schema {schema} goes with everything in it");
    found.push(site.finding(&LINT, Severity::Error, message));
    let Some(catalog) = cx.catalog else { return };
    let inside: Vec<&RelationInfo> =
        catalog.relations.iter().filter(|r| r.relation.schema == schema).collect();
    if inside.is_empty() {
        return;
    }
    let n_rows: f64 = inside.iter().filter_map(|r| r.n_rows).sum();
    let claim = format!("{} tables of {schema} hold {} rows", inside.len(), human(n_rows));
    let evidence = cx.measured(claim, n_rows, "rows", "pg_class.reltuples");
    let names: Vec<String> = inside.iter().map(|r| r.relation.to_string()).collect();
    let message = format!("schema {schema} holds {}", crate::users::listed(&names));
    found.push(site.catalog_finding(&LINT, Severity::Error, message, evidence));
}
