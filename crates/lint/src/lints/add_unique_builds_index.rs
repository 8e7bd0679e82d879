//! A new key builds its index under ACCESS EXCLUSIVE.

use crate::context::Context;
use crate::transaction::may_wait;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter, NewConstraint};

pub(super) static LINT: Lint = Lint {
    id: "add_unique_builds_index",
    severity: Severity::Error,
    title: "a new key builds its index under ACCESS EXCLUSIVE",
    harm: "UNIQUE, PRIMARY KEY and EXCLUDE build an index while nobody reads or writes the \
           table; they cannot be NOT VALID",
    instead: "CREATE UNIQUE INDEX CONCURRENTLY first, then ADD CONSTRAINT ... USING INDEX",
    source: "ALTER TABLE, ADD table_constraint_using_index",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE a ADD CONSTRAINT u UNIQUE (x);",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE a ADD COLUMN x int UNIQUE;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE a ADD CONSTRAINT u UNIQUE USING INDEX a_x;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a);",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); ANALYZE t;",
            finds: &[Severity::Note],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command, .. } = action else { continue };
            let key = match command {
                Alter::AddConstraint(c) => Some(c),
                Alter::AddColumn { column, .. } => {
                    column.constraints.iter().find(|c| matches!(c.kind, 'p' | 'u' | 'x'))
                }
                _ => None,
            };
            let Some(key) = key.filter(|c| matches!(c.kind, 'p' | 'u' | 'x')) else { continue };
            if key.using_index.is_some() || !cx.existed(site, relation) {
                continue;
            }
            let what = match key.kind {
                'p' => "PRIMARY KEY",
                'u' => "UNIQUE",
                _ => "EXCLUDE",
            };
            let message =
                format!("ACCESS EXCLUSIVE on {relation} while the index of {what} is built");
            let severity = cx.weigh(relation, Severity::Error);
            let sql = online(relation, key);
            // A key of nullable columns makes them NOT NULL, which reads every row.
            let exact = key.kind == 'u' && may_wait(cx, site) && is_plain(&site.statement.text);
            let finding =
                site.finding(&LINT, severity, message).fix(LINT.instead, sql).exact(exact);
            found.push(cx.sized(finding, relation));
        }
    }
}

/// Does the statement end with the list of columns? What may follow it (INCLUDE, WITH, USING INDEX
/// TABLESPACE, DEFERRABLE) or stand before it (NULLS NOT DISTINCT) is not in the rewritten one.
fn is_plain(text: &str) -> bool {
    let words = pgward_sql::words(text);
    text.trim_end().ends_with(')')
        && !words.iter().any(|w| matches!(w.as_str(), "include" | "with" | "nulls" | "only"))
}

fn online(relation: &Relation, key: &NewConstraint) -> Option<String> {
    let what = match key.kind {
        'p' => "PRIMARY KEY",
        'u' => "UNIQUE",
        _ => return None,
    };
    if key.name.is_empty() || key.columns.is_empty() {
        return None;
    }
    let columns: Vec<String> = key.columns.iter().map(|c| quote_ident(c)).collect();
    let (name, table) = (quote_ident(&key.name), relation.quoted());
    Some(format!(
        "CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({});\n\
         ALTER TABLE {table} ADD CONSTRAINT {name} {what} USING INDEX {name};",
        columns.join(", ")
    ))
}
