//! A strong lock without lock_timeout.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "lock_timeout_missing",
    severity: Severity::Note,
    title: "a strong lock without lock_timeout",
    harm: "while it waits for one long query, every later query on the table waits behind it",
    instead: "SET lock_timeout to a few seconds before it and try again when it is cancelled",
    source: "Explicit Locking; Client Connection Defaults, lock_timeout",
    guards_rows: false,
    examples: &[
        Example { sql: "ALTER TABLE a ADD COLUMN x int;", catalog: "", finds: &[Severity::Note] },
        Example {
            sql: "SET lock_timeout = '2s'; ALTER TABLE a ADD COLUMN x int;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "CREATE TABLE n (a int); ALTER TABLE n ADD b int;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let mut file = "";
    let mut limited = false;
    let mut said = false;
    for site in &cx.sites {
        if site.file.path != file {
            (file, limited, said) = (&site.file.path, false, false);
        }
        for action in &site.actions {
            if let Action::Set { name, value, .. } = action
                && name == "lock_timeout"
            {
                limited = value.as_deref().is_some_and(|v| v != "0");
            }
        }
        let strong = site.effects.iter().find(|e| {
            e.lock.blocks_writes()
                && e.destroys != Destroys::AllRows
                && cx.existed(site, &e.relation)
        });
        let Some(e) = strong.filter(|_| !limited && !said) else { continue };
        let message = format!("{} on {} may queue without a limit", e.lock, e.relation);
        let sql = Some("SET lock_timeout = '2s';".to_owned());
        found.push(
            site.finding(&LINT, Severity::Note, message)
                .fix(LINT.instead, sql)
                .placed(FixPlace::Before),
        );
        said = true;
    }
}
