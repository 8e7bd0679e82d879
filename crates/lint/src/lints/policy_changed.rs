//! Row security changes which rows are seen.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "policy_changed",
    severity: Severity::Note,
    title: "row security changes which rows are seen",
    harm: "queries do not fail but find other rows, and without a policy none at all; an INSERT or \
           UPDATE that a policy does not let pass fails (42501)",
    instead: "count the rows that each role sees, before and after, on a clone",
    source: "Row Security Policies",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE a ENABLE ROW LEVEL SECURITY;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE POLICY p ON a USING (owner = current_user);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example { sql: "ALTER POLICY p ON a USING (true);", catalog: "", finds: &[Severity::Note] },
        Example {
            sql: "CREATE TABLE n (a int); ALTER TABLE n ENABLE ROW LEVEL SECURITY; CREATE POLICY p \
                  ON n USING (true);",
            catalog: "",
            finds: &[],
        },
        // That it is switched off is told by disable_trigger.
        Example { sql: "ALTER TABLE a DISABLE ROW LEVEL SECURITY;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let (relation, message) = match action {
                Action::Create { kind, name, tables, .. } if kind == "policy" => {
                    let Some(table) = tables.first() else { continue };
                    (table, format!("policy {name} decides which rows of {table} are seen"))
                }
                Action::Alter { relation, command: Alter::RowSecurity { what }, .. } => {
                    let message = match what.as_str() {
                        "ALTER POLICY" => format!("a policy of {relation} lets other rows pass"),
                        "EnableRowSecurity" if has_policy(cx, site, relation) => {
                            format!("only what a policy lets pass is seen of {relation}")
                        }
                        "EnableRowSecurity" => format!(
                            "no row of {relation} is seen but by its owner, unless it has a \
                             policy: this file makes none"
                        ),
                        "ForceRowSecurity" => {
                            format!("the policies of {relation} hold for its owner too")
                        }
                        _ => continue,
                    };
                    (relation, message)
                }
                _ => continue,
            };
            if cx.existed(site, relation) {
                found.push(site.finding(&LINT, Severity::Note, message));
            }
        }
    }
}

fn has_policy(cx: &Context, site: &Site, relation: &Relation) -> bool {
    let here = cx.sites.iter().filter(|s| s.file.path == site.file.path);
    here.flat_map(|s| &s.actions).any(|a| {
        matches!(a, Action::Create { kind, tables, .. }
            if kind == "policy" && tables.iter().any(|t| t.same_as(relation)))
    })
}
