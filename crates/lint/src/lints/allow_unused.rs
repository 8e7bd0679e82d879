//! An allowance that silences nothing.

use super::LINTS;
use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use std::collections::BTreeMap;

/// A note and no more: against a catalog with larger tables the same allowance may be needed.
pub(super) static LINT: Lint = Lint {
    id: "allow_unused",
    severity: Severity::Note,
    title: "an allowance that silences nothing",
    harm: "it stays when the statement changes, and then silences what nobody has looked at",
    instead: "remove it, or place it directly before the statement it means",
    source: "README, On your own database",
    guards_rows: false,
    examples: &[
        Example {
            sql: "-- pgward: allow lock_table the site is down\nSELECT 1;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "-- pgward: allow lock_table the site is down\nBEGIN; LOCK TABLE a; COMMIT;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "-- pgward: allow drop_used_index nobody reads by it\nSELECT 1;",
            catalog: "CREATE TABLE a (b int); CREATE INDEX i ON a (b);",
            finds: &[Severity::Note],
        },
        Example {
            sql: "-- pgward: allow drop_used_index nobody reads by it\nSELECT 1;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "BEGIN;\n-- pgward: allow lock_table the site is down\nLOCK TABLE a; COMMIT;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let mut of_lint: BTreeMap<&str, Vec<Finding>> = BTreeMap::new();
    for site in &cx.sites {
        for allowance in site.allowances.iter().filter(|a| !a.reason.is_empty()) {
            // Whether this lint itself is silenced in vain would have no end.
            let named = |l: &&&Lint| l.id == allowance.lint && l.id != LINT.id;
            let Some(lint) = LINTS.iter().find(named) else { continue };
            // What only the catalog shows cannot be missed without one.
            if cx.catalog.is_none() && lint.asks_catalog() {
                continue;
            }
            let all = of_lint.entry(lint.id).or_insert_with(|| {
                let mut all = Vec::new();
                (lint.check)(cx, &mut all);
                all
            });
            let here = |f: &Finding| f.file == site.file.path && f.span == site.statement.span;
            if all.iter().any(here) {
                continue;
            }
            let message = format!("`allow {}` silences nothing here", lint.id);
            found.push(if lint.asks_catalog() {
                let source = Source::new(SourceKind::Statement, &site.file.path);
                let evidence = Evidence::stated(LINT.harm, source);
                site.catalog_finding(&LINT, Severity::Note, message, evidence)
            } else {
                site.finding(&LINT, Severity::Note, message)
            });
        }
    }
}
