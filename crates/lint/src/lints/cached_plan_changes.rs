//! Prepared statements that take all columns of a table fail once when its columns change.

use crate::context::{Context, Site};
use crate::users::users_of_all_columns;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};
use std::collections::BTreeSet;

pub(super) static LINT: Lint = Lint {
    id: "cached_plan_changes",
    severity: Severity::Note,
    title: "SELECT * that runs gets other columns",
    harm: "where it is prepared, each session that has prepared it fails with `cached plan must \
           not change result type` (0A000) until it prepares it again; in a transaction that is \
           lost",
    instead: "name the columns in the query; recycle the pools after the change, or set the \
              driver to prepare again on that error",
    source: "PREPARE, Notes; plancache.c, RevalidateCachedQuery",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ADD COLUMN c int;",
            catalog: "CREATE TABLE t (a int, b int); CREATE FUNCTION f() RETURNS SETOF t LANGUAGE \
                      sql AS 'SELECT * FROM t';",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ADD COLUMN c int;",
            catalog: "CREATE EXTENSION pg_stat_statements; CREATE TABLE t (a int, b int); SELECT * \
                      FROM t WHERE a = 1;",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ADD COLUMN c int;",
            catalog: "CREATE EXTENSION pg_stat_statements; CREATE TABLE t (a int, b int); SELECT \
                      a, count(*) FROM t WHERE a = 1 GROUP BY a;",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let mut told: BTreeSet<&Relation> = BTreeSet::new();
    for site in &cx.sites {
        for action in &site.actions {
            let Some(relation) = changed(action).filter(|r| cx.existed(site, r)) else { continue };
            if told.insert(relation) {
                found.extend(finding(cx, site, relation));
            }
        }
    }
}

fn finding(cx: &Context, site: &Site, relation: &Relation) -> Option<Finding> {
    let message = format!(
        "statements that take all columns of {relation} get others: where they are prepared, they \
         fail once in each session"
    );
    let users = users_of_all_columns(cx, relation);
    users.finding(cx, site, &LINT, &message)
}

/// The table whose list of columns becomes another.
fn changed(action: &Action) -> Option<&Relation> {
    match action {
        Action::Alter {
            relation,
            command: Alter::AddColumn { .. } | Alter::DropColumn { .. } | Alter::SetType { .. },
            ..
        }
        | Action::RenameColumn { relation, .. } => Some(relation),
        _ => None,
    }
}
