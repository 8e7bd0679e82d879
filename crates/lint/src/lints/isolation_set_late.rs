//! The isolation level is set too late or nowhere.

use crate::context::Context;
use crate::transaction::before;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "isolation_set_late",
    severity: Severity::Error,
    title: "the isolation level is set too late or nowhere",
    harm: "after the first query of a transaction the server refuses it (25001); outside of one \
           it does nothing",
    instead: "BEGIN ISOLATION LEVEL SERIALIZABLE, or SET TRANSACTION right after BEGIN",
    source: "SET TRANSACTION",
    guards_rows: false,
    examples: &[
        Example {
            sql: "BEGIN; SELECT 1; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; COMMIT;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "BEGIN; SET LOCAL work_mem = '1MB'; SET TRANSACTION ISOLATION LEVEL REPEATABLE \
                  READ; SELECT 1; COMMIT;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "BEGIN; SELECT 1; SET TRANSACTION READ ONLY; COMMIT;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        let sets = site
            .actions
            .iter()
            .any(|a| matches!(a, Action::Set { name, .. } if name == "transaction"));
        if !sets {
            continue;
        }
        let text = site.statement.text.to_lowercase();
        // The level that the server begins with may be set again.
        if !text.contains("serializable") && !text.contains("repeatable") {
            continue;
        }
        if !site.in_transaction {
            let message = "SET TRANSACTION outside of a transaction does nothing";
            found.push(site.finding(&LINT, Severity::Note, message));
        } else if let Some(query) = before(cx, site).find(|s| takes_snapshot(s.statement.kind)) {
            let line = query.statement.span.line;
            let message = format!("the statement in line {line} has already begun to read");
            found.push(site.finding(&LINT, Severity::Error, message));
        }
    }
}

/// Settings and locks need no snapshot, everything else has taken one.
fn takes_snapshot(kind: StatementKind) -> bool {
    use StatementKind::*;
    matches!(kind, Select | Insert | Update | Delete | Truncate | Ddl)
}
