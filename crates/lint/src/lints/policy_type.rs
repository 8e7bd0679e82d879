//! A type or a collation that the team does not want.

use crate::columns::defined;
use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "policy_type",
    severity: Severity::Warning,
    title: "a type or a collation that is not wanted",
    harm: "`forbid_types` or `forbid_collations` names it",
    instead: "take another one, or allow it here with its reason",
    source: "`[policy]` of pgward.toml",
    guards_rows: false,
    examples: &[
        Example { sql: "CREATE TABLE n (a money);", catalog: "", finds: &[Severity::Warning] },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE money;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE t ADD COLUMN a text COLLATE \"en_US\";",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "CREATE TABLE n (a numeric(10, 2), b text COLLATE \"C\");",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let policy = &cx.options.policy;
    if policy.forbid_types.is_empty() && policy.forbid_collations.is_empty() {
        return;
    }
    let forbidden: Vec<String> =
        policy.forbid_types.iter().map(|t| pgward_sql::base_type(t)).collect();
    let bad_type = |t: &str| forbidden.contains(&pgward_sql::base_type(t));
    for d in defined(cx) {
        let name = format!("{}.{}", d.relation, d.column.name);
        if bad_type(&d.column.data_type) {
            let message = format!("{name} is of type {}, which is not wanted", d.column.data_type);
            found.push(d.site.finding(&LINT, Severity::Warning, message));
        }
        let collation = d.column.collation.as_ref();
        if let Some(collation) = collation.filter(|c| policy.forbid_collations.contains(c)) {
            let message = format!("{name} has collation {collation}, which is not wanted");
            found.push(d.site.finding(&LINT, Severity::Warning, message));
        }
    }
    for site in &cx.sites {
        for action in &site.actions {
            if let Action::Alter { relation, command, .. } = action
                && let Alter::SetType { column, data_type, .. } = command
                && bad_type(data_type)
            {
                let message =
                    format!("{relation}.{column} becomes {data_type}, which is not wanted");
                found.push(site.finding(&LINT, Severity::Warning, message));
            }
        }
    }
}
