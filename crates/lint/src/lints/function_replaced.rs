//! A function in use gets another body, or a twin.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "function_replaced",
    severity: Severity::Note,
    title: "a function in use gets another body, or a twin",
    harm: "all who call it, triggers and views too, run the new body from the commit on; with \
           other argument types the old one stays beside it, and a call may fit both (42725)",
    instead: "give the new one another name and move its callers, or drop the old one in the same \
              transaction",
    source: "CREATE FUNCTION; Function Overloading",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 2';",
            catalog: "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE OR REPLACE FUNCTION f(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT \
                  2';",
            catalog: "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';",
            finds: &[Severity::Note],
        },
        Example {
            sql: "DROP FUNCTION f(int); CREATE OR REPLACE FUNCTION f(a int, b int) RETURNS int \
                  LANGUAGE sql AS 'SELECT 2';",
            catalog: "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';",
            finds: &[],
        },
        Example {
            sql: "CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 2';",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(catalog) = cx.catalog else { return };
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Create { kind, name, replace: true, .. } = action else { continue };
            let bare = bare(name);
            if !matches!(kind.as_str(), "function" | "procedure") || dropped_before(cx, site, bare)
            {
                continue;
            }
            let same = catalog.objects.iter().filter(|o| {
                o.kind == "function"
                    && (self::bare(&o.identity) == bare
                        || self::bare(&o.identity).strip_prefix("public.") == Some(bare))
            });
            let known: Vec<&ObjectInfo> = same.collect();
            let Some(first) = known.first() else { continue };
            let n_new = arguments(name);
            let message = if known.iter().any(|o| arguments(&o.identity) == n_new) {
                format!("{} is there already: its callers meet the new body", first.identity)
            } else {
                format!("{} stays beside {name}: calls go to one or the other", first.identity)
            };
            let n = known.len() as f64;
            let claim = format!("{} functions have that name", known.len());
            let evidence = cx.measured(claim, n, "functions", "pg_proc");
            found.push(site.catalog_finding(&LINT, Severity::Note, message, evidence));
        }
    }
}

fn bare(signature: &str) -> &str {
    signature.split('(').next().unwrap_or("")
}

/// How many arguments a signature names: types are spelled in many ways.
fn arguments(signature: &str) -> usize {
    let inner = signature.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
    let mut depth = 0;
    let commas = inner.chars().filter(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        *c == ',' && depth == 0
    });
    if inner.trim().is_empty() { 0 } else { commas.count() + 1 }
}

fn dropped_before(cx: &Context, site: &crate::context::Site, name: &str) -> bool {
    cx.sites
        .iter()
        .take(site.index)
        .flat_map(|s| &s.actions)
        .any(|a| matches!(a, Action::Drop(d) if d.written.iter().any(|w| bare(w) == name)))
}
