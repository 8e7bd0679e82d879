//! A new name that is not as the team writes names.

use crate::context::Context;
use crate::policy::Names;
use crate::tables::added;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};
use regex::Regex;

pub(super) static LINT: Lint = Lint {
    id: "policy_name",
    severity: Severity::Warning,
    title: "a name that is not as agreed",
    harm: "`names` is set: who looks for it looks under another name",
    instead: "take a name that the pattern of pgward.toml allows",
    source: "`[policy]` of pgward.toml",
    guards_rows: false,
    examples: &[
        Example { sql: "CREATE TABLE Orders2 (a int);", catalog: "", finds: &[Severity::Warning] },
        Example {
            sql: "CREATE TABLE n (\"createdAt\" int);",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "CREATE INDEX orders_by_day ON orders (day);",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example { sql: "ALTER TABLE n RENAME TO \"N\";", catalog: "", finds: &[Severity::Warning] },
        Example {
            sql: "CREATE TABLE orders (day int); CREATE INDEX orders_day_idx ON orders (day);",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let names = &cx.options.policy.names;
    for site in &cx.sites {
        for action in &site.actions {
            for (kind, pattern, name) in made(names, action) {
                if let Some(pattern) = pattern.as_ref().filter(|p| !p.is_match(name)) {
                    let message = format!("{kind} {name} is not named as `{pattern}`");
                    found.push(site.finding(&LINT, Severity::Warning, message));
                }
            }
        }
    }
}

type Made<'a> = (&'static str, &'a Option<Regex>, &'a str);

/// What the action gives a name to; names that PostgreSQL chooses are left out.
fn made<'a>(names: &'a Names, action: &'a Action) -> Vec<Made<'a>> {
    let table = |name: &'a str| ("table", &names.table, name);
    let column = |name: &'a str| ("column", &names.column, name);
    let mut all = match action {
        Action::CreateTable(t) if !t.temporary => {
            let columns = t.columns.iter().map(|c| column(&c.name));
            std::iter::once(table(&t.relation.name)).chain(columns).collect()
        }
        Action::CreateTableAs { relation, .. } => vec![table(&relation.name)],
        Action::CreateIndex(i) => vec![("index", &names.index, i.name.as_str())],
        Action::RenameRelation { kind, to, .. } if kind == "table" => vec![table(to)],
        Action::RenameColumn { to, .. } => vec![column(to)],
        Action::Alter { command: Alter::AddColumn { column: new, .. }, .. } => {
            vec![column(&new.name)]
        }
        _ => Vec::new(),
    };
    let keys = added(action).into_iter().map(|(_, c)| c.name.as_str());
    all.extend(keys.map(|name| ("constraint", &names.constraint, name)));
    all.retain(|(.., name)| !name.is_empty());
    all
}
