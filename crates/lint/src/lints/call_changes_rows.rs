//! A function that is called changes what the statement does not name.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "call_changes_rows",
    severity: Severity::Warning,
    title: "a function that is called changes what the statement does not name",
    harm: "SELECT f() looks like a read and takes the locks of whatever its body does",
    instead: "write the statements of the body into the change, where they are seen and limited",
    source: "CREATE FUNCTION; Explicit Locking",
    guards_rows: false,
    examples: &[
        Example {
            sql: "SELECT tidy();",
            catalog: "CREATE TABLE t (a int); CREATE FUNCTION tidy() RETURNS void LANGUAGE sql AS \
                      'DELETE FROM t';",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "SELECT tidy(3);",
            catalog: "CREATE TABLE t (a int); CREATE FUNCTION tidy(n int) RETURNS void LANGUAGE \
                      sql AS 'DELETE FROM t WHERE a = n';",
            finds: &[Severity::Note],
        },
        Example {
            sql: "SELECT total();",
            catalog: "CREATE TABLE t (a int); CREATE FUNCTION total() RETURNS bigint LANGUAGE sql \
                      AS 'SELECT count(*) FROM t';",
            finds: &[],
        },
        Example { sql: "SELECT tidy();", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(catalog) = cx.catalog else { return };
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Call { function, .. } = action else { continue };
            if site.knows(function) {
                continue; // its effects are those of the statement
            }
            let is_it = |o: &&ObjectInfo| {
                let name = o.identity.split('(').next().unwrap_or("");
                o.kind == "function"
                    && name.rsplit('.').next() == Some(&quote_ident(&function.name))
            };
            let Some(object) = catalog.objects.iter().find(is_it) else { continue };
            let Some(does) = changes(&object.definition) else { continue };
            let severity = match does.destroys {
                Destroys::Rows { unbounded: false } | Destroys::Nothing => Severity::Note,
                _ => Severity::Warning,
            };
            let message = format!("{} takes {} on {}", object.identity, does.lock, does.relation);
            let claim = format!("{} is read from the catalog", object.identity);
            let evidence = cx.measured(claim, 1.0, "function", "pg_get_functiondef");
            found.push(site.catalog_finding(&LINT, severity, message, evidence));
        }
    }
}

/// What weighs most of all that its body does to tables.
fn changes(definition: &str) -> Option<Effect> {
    let found = pgward_sql::Chain::new(None).run(&pgward_sql::function_body(definition));
    let loses = |e: &Effect| match e.destroys {
        Destroys::Nothing => 0,
        Destroys::Rows { unbounded: false } => 1,
        _ => 2,
    };
    let changing = found.into_iter().filter(|e| e.lock >= LockMode::RowExclusive);
    changing.max_by_key(|e| (loses(e), e.lock))
}
