//! REFRESH stops reads of a materialized view.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "refresh_blocks_reads",
    severity: Severity::Warning,
    title: "REFRESH stops reads of a materialized view",
    harm: "it takes ACCESS EXCLUSIVE on the view until its query has run",
    instead: "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index on it",
    source: "REFRESH MATERIALIZED VIEW",
    guards_rows: false,
    examples: &[
        Example { sql: "REFRESH MATERIALIZED VIEW m;", catalog: "", finds: &[Severity::Warning] },
        Example { sql: "REFRESH MATERIALIZED VIEW CONCURRENTLY m;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Refresh { relation, concurrently: false } = action else { continue };
            if !cx.existed(site, relation) {
                continue;
            }
            let message =
                format!("ACCESS EXCLUSIVE on {relation} until its query has run: reads wait");
            let sql = format!("REFRESH MATERIALIZED VIEW CONCURRENTLY {};", relation.quoted());
            let severity = cx.weigh(relation, Severity::Warning);
            let finding = site.finding(&LINT, severity, message).fix(LINT.instead, Some(sql));
            found.push(cx.sized(finding, relation));
        }
    }
}
