//! The file ends inside an open transaction.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "transaction_left_open",
    severity: Severity::Error,
    title: "the file ends inside an open transaction",
    harm: "every lock taken since BEGIN is held until the session ends, and then all is \
           rolled back",
    instead: "end the file with COMMIT",
    source: "BEGIN; Explicit Locking",
    guards_rows: false,
    examples: &[
        Example {
            sql: "BEGIN; UPDATE accounts SET a = 1 WHERE id = 1;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "BEGIN; UPDATE accounts SET a = 1 WHERE id = 1; COMMIT;",
            catalog: "",
            finds: &[],
        },
        Example { sql: "UPDATE accounts SET a = 1 WHERE id = 1;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for file in cx.files {
        let Some(open) = pgward_sql::splits_transactions(file).left_open else { continue };
        let site = cx.sites.iter().find(|s| s.file.path == file.path && s.statement.span == open);
        let Some(site) = site else { continue };
        let held: Vec<String> = cx
            .sites
            .iter()
            .filter(|s| s.file.path == file.path && s.statement.span.start > open.start)
            .flat_map(|s| &s.effects)
            .filter(|e| e.lock >= LockMode::RowExclusive && e.existed_before)
            .map(|e| format!("{} on {}", e.lock, e.relation))
            .collect();
        let holds = match held.as_slice() {
            [] => "its snapshot is held".to_owned(),
            locks => format!("it holds {}", distinct(locks).join(", ")),
        };
        let message = format!("the transaction begun here is never committed: {holds}");
        found.push(
            site.finding(&LINT, Severity::Error, message)
                .fix(LINT.instead, commit())
                .placed(FixPlace::After),
        );
    }
}

fn commit() -> Option<String> {
    Some("COMMIT;".to_owned())
}

fn distinct(locks: &[String]) -> Vec<String> {
    let set: std::collections::BTreeSet<&String> = locks.iter().collect();
    set.into_iter().cloned().collect()
}
