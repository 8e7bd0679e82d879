//! A right for everybody, or rights taken away.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "grant_broad",
    severity: Severity::Warning,
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
            found.push(site.finding(&LINT, Severity::Warning, message));
        }
    }
}
