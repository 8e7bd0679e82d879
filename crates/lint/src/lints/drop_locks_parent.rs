//! What goes locks a table that is not named.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "drop_locks_parent",
    severity: Severity::Note,
    title: "a DROP locks a table that it does not name",
    harm: "when a foreign key or a partition goes, alone or with its table or column, the table \
           at the other end is locked too: ACCESS EXCLUSIVE until the commit",
    instead: "SET lock_timeout to a few seconds before it and try again when it is cancelled; \
              drop one table in a transaction",
    source: "Explicit Locking; ALTER TABLE, DROP CONSTRAINT; DROP TABLE",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE c DROP CONSTRAINT k;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE c (t int CONSTRAINT k \
                      REFERENCES t);",
            finds: &[Severity::Note],
        },
        Example {
            sql: "DROP TABLE c;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE c (t int CONSTRAINT k \
                      REFERENCES t);",
            finds: &[Severity::Note],
        },
        Example { sql: "DROP TABLE c;", catalog: "CREATE TABLE c (a int);", finds: &[] },
        Example { sql: "DROP TABLE c;", catalog: "", finds: &[] },
        Example {
            sql: "DROP TABLE c, t;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE c (t int CONSTRAINT k \
                      REFERENCES t);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        let drops = site.actions.iter().any(|a| match a {
            Action::Drop(d) => d.kind == "table",
            Action::Alter { command, .. } => {
                matches!(command, Alter::DropConstraint { .. } | Alter::DropColumn { .. })
            }
            _ => false,
        });
        let strong = site.effects.iter().filter(|e| {
            e.lock == LockMode::AccessExclusive
                && e.destroys == Destroys::Nothing
                && e.existed_before
                && !names(&site.actions, &e.relation)
        });
        for effect in strong.filter(|_| drops) {
            let Some(table) = cx.table(&effect.relation) else { continue };
            let claim = format!("{} is at the other end", table.relation);
            let evidence = cx.measured(claim, 1.0, "tables", "pg_constraint, pg_inherits");
            let message = format!(
                "ACCESS EXCLUSIVE on {} too, until the commit: reads and writes on it wait",
                table.relation
            );
            found.push(site.catalog_finding(&LINT, Severity::Note, message, evidence));
        }
    }
}

fn names(actions: &[Action], relation: &Relation) -> bool {
    actions.iter().any(|a| match a {
        Action::Alter { relation: named, .. } => named.same_as(relation),
        Action::Drop(d) => d.names.iter().any(|n| n.same_as(relation)),
        _ => false,
    })
}
