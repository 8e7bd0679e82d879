//! A migration that does not say who it is, where the team asks for it.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "policy_application_name",
    severity: Severity::Warning,
    title: "the session does not say who it is",
    harm: "in pg_stat_activity and in the log nobody can tell the migration from its neighbours",
    instead: "SET application_name = 'migration 42'; at the head of the file, or in the connection of the deploy tool",
    source: "`[policy]` of pgward.toml",
    guards_rows: false,
    examples: &[
        Example { sql: "DROP INDEX CONCURRENTLY i;", catalog: "", finds: &[Severity::Warning] },
        Example {
            sql: "SET application_name = 'deploy'; DROP INDEX CONCURRENTLY i;",
            catalog: "",
            finds: &[],
        },
        Example { sql: "SELECT 1;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    if !cx.options.policy.require_application_name {
        return;
    }
    for file in cx.files {
        let here = || cx.sites.iter().filter(|s| s.file.path == file.path);
        let says = |a: &Action| matches!(a, Action::Set { name, .. } if name == "application_name");
        if here().any(|s| s.actions.iter().any(says)) {
            continue;
        }
        let changes = here().find(|s| !s.effects.is_empty());
        let message = "no SET application_name in the file";
        found.extend(changes.map(|s| s.finding(&LINT, Severity::Warning, message)));
    }
}
