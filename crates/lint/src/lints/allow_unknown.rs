//! An allowance that names no lint.

use super::LINTS;
use crate::context::Context;
use crate::{Example, Lint};
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

/// How alike a lint's id must be to be offered, from 0 to 1: two letters changed places reach
/// 0.98, other lints of the same first word stay below.
const ALIKE_MIN: f64 = 0.93;

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for named in site.allowances.iter().map(|a| a.lint.as_str()) {
            if crate::is_known(named) {
                continue;
            }
            let message = match nearest(named) {
                _ if named.is_empty() => "`allow` names no lint".to_owned(),
                Some(id) => format!("`allow {named}` names no lint; did you mean {id}?"),
                None => format!("`allow {named}` names no lint"),
            };
            found.push(site.finding(&LINT, Severity::Warning, message));
        }
    }
}

fn nearest(named: &str) -> Option<&'static str> {
    let alike = |id: &str| strsim::jaro_winkler(named, id);
    let ids = LINTS.iter().map(|l| (alike(l.id), l.id));
    let best = ids.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= ALIKE_MIN).then_some(best.1)
}
