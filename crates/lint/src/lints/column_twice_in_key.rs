//! A key that names a column twice.

use crate::context::Context;
use crate::tables::added;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;
use std::collections::BTreeSet;

pub(super) static LINT: Lint = Lint {
    id: "column_twice_in_key",
    severity: Severity::Error,
    title: "a key names a column twice",
    harm: "PRIMARY KEY and UNIQUE are refused; an index stores the same value twice for nothing",
    instead: "name each column once",
    source: "CREATE TABLE, UNIQUE; CREATE INDEX",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a, b, a);",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON t (a, a);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON t (a, a text_pattern_ops);",
            catalog: "",
            finds: &[],
        },
        Example { sql: "CREATE TABLE n (a int, b int, UNIQUE (a, b));", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            if let Action::CreateIndex(i) = action
                && !i.special_keys
                && let Some(column) = twice(&i.columns)
            {
                let message = format!("the index on {} has {column} in its key twice", i.table);
                found.push(site.finding(&LINT, Severity::Note, message));
            }
            let keys = added(action).into_iter().filter(|(_, c)| matches!(c.kind, 'p' | 'u'));
            for (table, key) in keys {
                if let Some(column) = twice(&key.columns) {
                    let message = format!("a key of {table} names {column} twice: it is refused");
                    found.push(site.finding(&LINT, Severity::Error, message));
                }
            }
        }
    }
}

fn twice(columns: &[String]) -> Option<&String> {
    let mut seen = BTreeSet::new();
    columns.iter().find(|c| !seen.insert(*c))
}
