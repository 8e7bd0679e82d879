//! A right for everybody, or rights taken away.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Grant};

pub(super) static LINT: Lint = Lint {
    id: "grant_broad",
    severity: Severity::Error,
    title: "a right for everybody, or rights taken away",
    harm: "PUBLIC is every role there is and will be; a REVOKE stops clients that use the \
           right at once",
    instead: "grant to a named role what it needs; before a REVOKE see who uses the right",
    source: "GRANT; REVOKE",
    guards_rows: false,
    examples: &[
        Example {
            sql: "GRANT SELECT ON orders TO PUBLIC;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "GRANT ALL ON ALL TABLES IN SCHEMA public TO app;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "REVOKE SELECT ON orders FROM app;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example { sql: "REVOKE ALL ON orders FROM PUBLIC;", catalog: "", finds: &[] },
        Example { sql: "GRANT SELECT ON orders TO app;", catalog: "", finds: &[] },
    ],
    check,
};

/// The busiest statement that needs a right which the REVOKE takes from its role.
fn used<'a>(cx: &'a Context, site: &Site, g: &Grant) -> Option<&'a StatementTraffic> {
    if g.grants || g.defaults || g.kind != "table" {
        return None;
    }
    let needs = |s: &&StatementTraffic| {
        let verb = s.text.split_whitespace().next().unwrap_or("").to_ascii_uppercase();
        let named = pgward_sql::uses(&s.text);
        let on_it = |name: &String| {
            let relation = pgward_sql::relations(&format!("SELECT FROM {name}")).into_iter().next();
            relation.is_some_and(|r| {
                cx.existed(site, &r) && named.relations.iter().any(|n| n.same_as(&r))
            })
        };
        g.grantees.contains(&s.role)
            && (g.privileges.is_empty() || g.privileges.contains(&verb))
            && (g.whole_schema || g.objects.iter().any(on_it))
    };
    cx.catalog?.statements.iter().filter(needs).max_by_key(|s| s.calls)
}

/// The first words of a statement.
fn head(text: &str) -> String {
    text.split_whitespace().take(8).collect::<Vec<_>>().join(" ")
}

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Grant(g) = action else { continue };
            let objects = g.objects.join(", ");
            let rights = match g.privileges.as_slice() {
                [] => "all rights".to_owned(),
                some => some.join(", "),
            };
            let message = match g {
                g if g.grants && g.to_public => {
                    format!("{rights} on {objects} for every role there is and will be")
                }
                g if g.grants && g.whole_schema && g.privileges.is_empty() => {
                    format!("{rights} on everything in {objects} for {}", g.grantees.join(", "))
                }
                g if !g.grants && !g.to_public => {
                    format!("{} loses {rights} on {objects} at once", g.grantees.join(", "))
                }
                _ => continue,
            };
            match used(cx, site, g) {
                Some(user) => {
                    let evidence = cx.measured(
                        format!("calls by role {}: {}", user.role, head(&user.text)),
                        user.calls as f64,
                        "calls",
                        "pg_stat_statements.calls",
                    );
                    found.push(site.catalog_finding(&LINT, Severity::Error, message, evidence));
                }
                None => found.push(site.finding(&LINT, Severity::Warning, message)),
            }
        }
    }
}
