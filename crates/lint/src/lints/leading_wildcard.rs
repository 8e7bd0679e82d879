//! A condition that no index on the column serves.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Predicate};

pub(super) static LINT: Lint = Lint {
    id: "leading_wildcard",
    severity: Severity::Note,
    title: "rows are looked for by the end of a text",
    harm: "LIKE with % at the beginning reads every row: an ordinary index is sorted by the \
           beginning",
    instead: "find the keys first and change the rows by key, in batches",
    source: "Index Types, B-Tree; pg_trgm",
    guards_rows: false,
    examples: &[
        Example {
            sql: "UPDATE t SET a = 1 WHERE b LIKE '%x';",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "DELETE FROM t WHERE b ILIKE '%x%';",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example { sql: "UPDATE t SET a = 1 WHERE b LIKE 'x%';", catalog: "", finds: &[] },
        Example {
            sql: "UPDATE t SET a = 1 WHERE b LIKE '%x';",
            catalog: "CREATE TABLE t (a int, b text); ANALYZE t;",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Rows(rows) = action else { continue };
            let Predicate::Selects { condition } = &rows.predicate else { continue };
            let small = cx.weigh(&rows.relation, Severity::Error) < Severity::Error;
            let wild = ["LIKE '%", "LIKE E'%"].iter().any(|w| condition.contains(w));
            if !wild || small || !cx.existed(site, &rows.relation) {
                continue;
            }
            let message = format!("every row of {} is read: {condition}", rows.relation);
            let finding = site.finding(&LINT, Severity::Note, message);
            found.push(cx.sized(finding, &rows.relation));
        }
    }
}
