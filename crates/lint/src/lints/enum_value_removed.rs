//! An enum type loses values.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Rows};

pub(super) static LINT: Lint = Lint {
    id: "enum_value_removed",
    severity: Severity::Warning,
    title: "an enum type is made anew or loses values",
    harm: "each column is cast to the new type, which fails on the first row with a value that \
           is gone (22P02); a value taken out of pg_enum leaves rows that cannot be sorted or \
           indexed",
    instead: "leave the value in the type, move the rows to another one and forbid it with a CHECK",
    source: "Enumerated Types",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TYPE mood RENAME TO mood_old; CREATE TYPE mood AS ENUM ('ok'); ALTER \
                  TABLE a ALTER x TYPE mood USING x::text::mood;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "DELETE FROM pg_enum WHERE enumlabel = 'bad';",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example { sql: "CREATE TYPE mood AS ENUM ('ok');", catalog: "", finds: &[] },
        Example { sql: "ALTER TYPE mood ADD VALUE 'good';", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            match action {
                Action::Rows(Rows { relation, verb: StatementKind::Delete, .. })
                    if relation.name == "pg_enum" =>
                {
                    let message = "values are taken out of pg_enum behind the server's back";
                    found.push(site.finding(&LINT, Severity::Warning, message));
                }
                Action::RenameOther { kind, name, .. }
                    if kind == "type" && is_made_again(cx, site, name) =>
                {
                    let message = format!(
                        "type {name} is made anew: rows with a value that it no \
                        longer has stop the cast"
                    );
                    found.push(site.finding(&LINT, Severity::Note, message));
                }
                _ => {}
            }
        }
    }
}

fn is_made_again(cx: &Context, site: &Site, old: &str) -> bool {
    let later = cx.sites.iter().skip(site.index + 1).filter(|s| s.file.path == site.file.path);
    let others = cx.sites.iter().filter(|s| s.file.path == site.file.path && s.index < site.index);
    later.chain(others).flat_map(|s| &s.actions).any(|a| match a {
        Action::Create { kind, name, .. } => kind == "type" && name == old,
        Action::RenameOther { kind, to, .. } => kind == "type" && to == old,
        _ => false,
    })
}
