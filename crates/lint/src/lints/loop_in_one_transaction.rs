//! Batches of a loop that are one transaction all the same.

use crate::context::{Context, is_block};
use crate::users::has_word;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Transaction};

pub(super) static LINT: Lint = Lint {
    id: "loop_in_one_transaction",
    severity: Severity::Note,
    title: "batches of a loop that are one transaction all the same",
    harm: "every row stays locked until the block ends, and no vacuum removes what it leaves",
    instead: "COMMIT after each batch, in a file that runs outside of a transaction",
    source: "PL/pgSQL, Transaction Management",
    guards_rows: false,
    examples: &[
        Example {
            sql: "DO $$ BEGIN LOOP DELETE FROM a WHERE id IN (SELECT id FROM a WHERE old LIMIT \
                  1000); EXIT WHEN NOT FOUND; END LOOP; END $$;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "DO $$ BEGIN LOOP DELETE FROM a WHERE id IN (SELECT id FROM a WHERE old LIMIT \
                  1000); EXIT WHEN NOT FOUND; COMMIT; END LOOP; END $$;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "DO/* in batches */ 'BEGIN LOOP DELETE FROM a WHERE old; EXIT; END LOOP; END';",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example { sql: "DO $$ BEGIN DELETE FROM a WHERE id = 3; END $$;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        let commits = |a: &Action| matches!(a, Action::Transaction(Transaction::Commit));
        if !is_block(&site.statement) || site.actions.iter().any(commits) {
            continue;
        }
        if !has_word(&site.statement.text.to_lowercase(), "loop") {
            continue;
        }
        let changed = site.actions.iter().find_map(|a| match a {
            Action::Rows(r) if r.verb != StatementKind::Insert => Some(&r.relation),
            _ => None,
        });
        if let Some(relation) = changed.filter(|r| cx.existed(site, r)) {
            let message = format!("the rows of {relation} stay locked until the whole loop ends");
            found.push(site.finding(&LINT, Severity::Note, message));
        }
    }
}
