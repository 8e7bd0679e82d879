//! An allowance that names no lint.

use super::LINTS;
use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::near;
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "allow_unknown",
    severity: Severity::Warning,
    title: "an allowance that names no lint",
    harm: "it silences nothing, whatever its author meant",
    instead: "name a lint that `pgward explain` lists",
    source: "README, On your own database",
    guards_rows: false,
    examples: &[
        Example {
            sql: "-- pgward: allow drop_tabel moved to the archive\nDROP TABLE a;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "-- pgward: allow\nDROP TABLE a;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "-- pgward: allow rehearsal_failed the clone lacks an extension\nSELECT 1;",
            catalog: "",
            finds: &[],
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
        for named in site.allowances.iter().map(|a| a.lint.as_str()) {
            if crate::is_known(named) {
                continue;
            }
            let message = match named.is_empty() {
                true => "`allow` names no lint".to_owned(),
                false => {
                    let meant = near::meant(named, LINTS.iter().map(|l| l.id));
                    format!("`allow {named}` names no lint{meant}")
                }
            };
            found.push(site.finding(&LINT, Severity::Warning, message));
        }
    }
}
