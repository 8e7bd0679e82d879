//! REINDEX stops writes, and reads that use the index.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, ReindexKind};

pub(super) static LINT: Lint = Lint {
    id: "reindex_blocks",
    severity: Severity::Error,
    title: "REINDEX stops writes, and reads that use the index",
    harm: "it takes SHARE on the table and ACCESS EXCLUSIVE on the index until it is built",
    instead: "REINDEX ... CONCURRENTLY, outside of a transaction",
    source: "REINDEX, Rebuilding Indexes Concurrently",
    guards_rows: false,
    examples: &[
        Example { sql: "REINDEX TABLE orders;", catalog: "", finds: &[Severity::Error] },
        Example { sql: "REINDEX INDEX CONCURRENTLY i;", catalog: "", finds: &[] },
        Example { sql: "REINDEX (CONCURRENTLY) TABLE orders;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Reindex { kind, name, concurrently: false } = action else { continue };
            let (what, table) = match kind {
                ReindexKind::Table => (format!("SHARE on {name}"), Some(name.clone())),
                ReindexKind::Index => {
                    let table = cx.catalog.and_then(|c| c.index(name));
                    (format!("ACCESS EXCLUSIVE on {name}"), table.map(|(t, _)| t.relation.clone()))
                }
                ReindexKind::System => {
                    ("SHARE on every system catalog of the database in turn".to_owned(), None)
                }
                _ if name.name.is_empty() => ("SHARE on every table in turn".to_owned(), None),
                _ => (format!("SHARE on every table of {name} in turn"), None),
            };
            if !cx.existed(site, name) {
                continue;
            }
            let severity = table.as_ref().map_or(Severity::Error, |t| cx.weigh(t, Severity::Error));
            let message = format!("{what} until the index is built: writes wait");
            let mut finding = site.finding(&LINT, severity, message);
            if let Some(table) = &table {
                finding = cx.sized(finding, table);
            }
            found.push(finding);
        }
    }
}
