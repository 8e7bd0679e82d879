//! INSERTs of running clients leave out a column that must have a value from now on.

use crate::context::{Context, Site};
use crate::users::users_of_inserts;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "insert_leaves_out",
    severity: Severity::Error,
    title: "an INSERT that runs leaves out a column that must have a value now",
    harm: "that INSERT fails (23502) for every client from the moment of the commit",
    instead: "give the column a DEFAULT, or move the clients first",
    source: "ALTER TABLE, SET NOT NULL, DROP DEFAULT; pg_stat_statements",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ALTER COLUMN b SET NOT NULL;",
            catalog: "CREATE TABLE t (a int, b int); CREATE FUNCTION f() RETURNS void LANGUAGE \
                      sql AS 'INSERT INTO t (a) VALUES (1)';",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN b DROP DEFAULT;",
            catalog: "CREATE TABLE t (a int, b int NOT NULL DEFAULT 0); CREATE FUNCTION f() \
                      RETURNS void LANGUAGE sql AS 'INSERT INTO t (a) VALUES (1)';",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN b SET NOT NULL;",
            catalog: "CREATE TABLE t (a int, b int); CREATE FUNCTION f() RETURNS void LANGUAGE \
                      sql AS 'INSERT INTO t (a, b) VALUES (1, 2)';",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN b SET DEFAULT 0; ALTER TABLE t ALTER COLUMN b SET \
                  NOT NULL;",
            catalog: "CREATE TABLE t (a int, b int); CREATE FUNCTION f() RETURNS void LANGUAGE \
                      sql AS 'INSERT INTO t (a) VALUES (1)';",
            finds: &[],
        },
        Example { sql: "ALTER TABLE t ALTER COLUMN b SET NOT NULL;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command, .. } = action else { continue };
            let (column, must) = match command {
                Alter::SetNotNull { column } => (column, true),
                Alter::SetDefault { column, default: None } => (column, false),
                _ => continue,
            };
            let known =
                cx.table(relation).and_then(|t| t.columns.iter().find(|c| c.name == *column));
            let Some(known) = known else { continue };
            let (is_not_null, default) = at_the_end(cx, site, relation, known);
            // Without a change there is none to tell of.
            let is_new = if must { !known.not_null } else { known.default.is_some() };
            if !is_new || !is_not_null || default || known.generated.is_some() {
                continue;
            }
            let message = format!("INSERTs that leave out {relation}.{column} fail from now on");
            let users = users_of_inserts(cx, relation, column);
            found.extend(users.finding(cx, site, &LINT, &message));
        }
    }
}

/// Is the column NOT NULL, and has it a default, when the change is through?
fn at_the_end(cx: &Context, site: &Site, table: &Relation, column: &ColumnInfo) -> (bool, bool) {
    let (mut not_null, mut default) = (column.not_null, column.default.is_some());
    let here = cx.sites.iter().filter(|s| s.file.path == site.file.path && s.taken_back.is_none());
    for action in here.flat_map(|s| &s.actions) {
        let Action::Alter { relation, command, .. } = action else { continue };
        match command {
            _ if !relation.same_as(table) => {}
            Alter::SetNotNull { column: c } if *c == column.name => not_null = true,
            Alter::DropNotNull { column: c } if *c == column.name => not_null = false,
            Alter::SetDefault { column: c, default: d } if *c == column.name => {
                default = d.is_some();
            }
            // Identity, and what goes again.
            Alter::Other { .. } => default = true,
            Alter::DropColumn { name, .. } if *name == column.name => not_null = false,
            _ => {}
        }
    }
    (not_null, default)
}
