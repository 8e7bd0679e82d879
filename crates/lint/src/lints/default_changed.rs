//! A column's default changes or goes.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "default_changed",
    severity: Severity::Note,
    title: "a column's default changes or goes",
    harm: "clients that leave the column out write another value from the commit on, or fail \
           (23502) where the column is NOT NULL",
    instead: "first deploy clients that give the value themselves",
    source: "ALTER TABLE, SET DEFAULT and DROP DEFAULT",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE a ALTER COLUMN x DROP DEFAULT;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN x SET DEFAULT 2;",
            catalog: "CREATE TABLE t (x int DEFAULT 1);",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN x DROP DEFAULT;",
            catalog: "CREATE TABLE t (x int);",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ADD COLUMN y int DEFAULT 1; ALTER TABLE t ALTER COLUMN y DROP \
                  DEFAULT;",
            catalog: "CREATE TABLE t (x int);",
            finds: &[],
        },
        Example { sql: "ALTER TABLE a ALTER COLUMN x SET DEFAULT 2;", catalog: "", finds: &[] },
        Example {
            sql: "CREATE TABLE n (x int DEFAULT 1); ALTER TABLE n ALTER x DROP DEFAULT;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command: Alter::SetDefault { column, default }, .. } =
                action
            else {
                continue;
            };
            if !cx.existed(site, relation) {
                continue;
            }
            let Some(info) = cx.table(relation) else {
                if default.is_none() {
                    let message = format!("{relation}.{column} no longer has a default");
                    found.push(site.finding(&LINT, Severity::Note, message));
                }
                continue;
            };
            let Some(was) = info.columns.iter().find(|c| c.name == *column) else { continue };
            let Some(old) = &was.default else { continue };
            let becomes = match default {
                Some(new) if new == old => continue,
                Some(new) => format!("becomes {new}"),
                None if was.not_null => "goes, and the column may not be null".to_owned(),
                None => "goes".to_owned(),
            };
            let message = format!("the default {old} of {relation}.{column} {becomes}");
            let written = info.rows_inserted as f64;
            let claim = format!("{} rows were inserted into {relation}", human(written));
            let evidence = cx.measured(claim, written, "rows", "pg_stat_user_tables");
            found.push(site.catalog_finding(&LINT, Severity::Note, message, evidence));
        }
    }
}
