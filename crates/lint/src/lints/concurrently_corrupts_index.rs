//! CONCURRENTLY on a server whose indexes it may leave damaged.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "concurrently_corrupts_index",
    severity: Severity::Error,
    title: "CONCURRENTLY on 14.0 to 14.3 may leave a damaged index",
    harm: "rows that change while it is built may be missing from the index: queries lose them \
           silently, and a unique index lets duplicates in",
    instead: "upgrade to the newest 14 first, then check what was built with amcheck \
              (bt_index_check with heapallindexed) and REINDEX it",
    source: "Release Notes, 14.4",
    guards_rows: false,
    // It takes a server of those versions: see `STAGED`.
    examples: &[
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON t (a);",
            catalog: "CREATE TABLE t (a int);",
            finds: &[],
        },
        Example { sql: "REINDEX INDEX CONCURRENTLY i;", catalog: "", finds: &[] },
    ],
    check,
};

/// `server_version_num`; mended in 14.4.
const DAMAGES: std::ops::Range<u32> = 140_000..140_004;

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(version) = cx.catalog.map(|c| c.server_version) else { return };
    if !DAMAGES.contains(&version) {
        return;
    }
    for site in &cx.sites {
        let builds = site.actions.iter().any(|a| match a {
            Action::CreateIndex(i) => i.concurrently && cx.existed(site, &i.table),
            Action::Reindex { concurrently, .. } => *concurrently,
            _ => false,
        });
        if builds {
            let minor = version % 10_000;
            let message = format!("14.{minor} may build an index that lacks rows");
            let claim = format!("the server is 14.{minor}, mended is 14.4");
            let evidence =
                cx.measured(claim, f64::from(version), "", "server_version_num").against(140_004.0);
            found.push(site.catalog_finding(&LINT, Severity::Error, message, evidence));
        }
    }
}
