//! An index with many key columns.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

/// "Indexes with more than three columns are unlikely to be helpful" (Multicolumn Indexes).
const KEYS_MAX: usize = 3;

pub(super) static LINT: Lint = Lint {
    id: "wide_index",
    severity: Severity::Note,
    title: "an index with more than three key columns",
    harm: "it is large, slows every write, and helps only queries that give its first columns",
    instead: "keep the columns that queries search by; carry the others with INCLUDE",
    source: "Multicolumn Indexes; CREATE INDEX, INCLUDE",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON t (a, b, c, d);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON t (a, b, c) INCLUDE (d);",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a, b, c, d);",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON t USING brin (a, b, c, d);",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::CreateIndex(i) = action else { continue };
            // A unique one is a rule over all its columns; BRIN and GIN keep no order of them.
            if i.unique || i.method != "btree" || i.columns.len() <= KEYS_MAX {
                continue;
            }
            let message = format!(
                "the index on {} has {} key columns: {}",
                i.table,
                i.columns.len(),
                i.columns.join(", ")
            );
            found.push(site.finding(&LINT, Severity::Note, message));
        }
    }
}
