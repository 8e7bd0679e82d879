//! An allowance that says not why.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "allow_without_reason",
    severity: Severity::Warning,
    title: "an allowance without a reason does not count",
    harm: "nobody can tell later whether it still holds, so it silences nothing",
    instead: "write why behind the lint: -- pgward: allow LINT REASON",
    source: "README, On your own database",
    guards_rows: false,
    examples: &[
        Example {
            sql: "-- pgward: allow drop_table\nDROP TABLE a;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "-- pgward: allow drop_table moved to the archive\nDROP TABLE a;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        let bare =
            |a: &&pgward_sql::expect::Allowance| a.reason.is_empty() && crate::is_known(&a.lint);
        for allowance in site.allowances.iter().filter(bare) {
            let message = format!("`allow {}` says not why, so it does not count", allowance.lint);
            found.push(site.finding(&LINT, Severity::Warning, message));
        }
    }
}
