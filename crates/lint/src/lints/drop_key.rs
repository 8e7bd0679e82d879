//! A key goes that other things stand on.

use crate::context::{Context, Site};
use crate::tables::{added, everywhere, listed_columns};
use crate::users::listed;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "drop_key",
    severity: Severity::Error,
    title: "a key goes that other things stand on",
    harm: "without a primary key ON CONFLICT fails, and UPDATE and DELETE of a published table \
           fail; a key that foreign keys point to cannot be dropped without CASCADE",
    instead: "build the new key's index CONCURRENTLY; drop the old key and ADD CONSTRAINT ... \
              USING INDEX in one statement",
    source: "ALTER TABLE, DROP CONSTRAINT; INSERT, ON CONFLICT; Logical Replication, Publication",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t DROP CONSTRAINT t_pkey;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY);",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE t DROP CONSTRAINT t_pkey;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE c (t int REFERENCES t);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t DROP CONSTRAINT u;",
            catalog: "CREATE TABLE t (id int CONSTRAINT u UNIQUE); CREATE TABLE c (t int \
                      REFERENCES t (id));",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t DROP CONSTRAINT u;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int CONSTRAINT u UNIQUE); CREATE TABLE \
                      c (t int REFERENCES t (id));",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY USING INDEX i;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY); CREATE UNIQUE INDEX i ON t (id);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command, .. } = action else { continue };
            let Alter::DropConstraint { name, cascade, .. } = command else { continue };
            let Some(table) = cx.table(relation) else { continue };
            let key = table.indexes.iter().find(|i| i.constraint && i.name == *name);
            let Some(key) = key.filter(|i| i.unique) else { continue };
            let pointing = pointing(cx, site, table, key);
            if !pointing.is_empty() && !cascade {
                let message = format!(
                    "{name} of {} cannot be dropped: {} points to it",
                    table.relation,
                    listed(&pointing)
                );
                let n = pointing.len() as f64;
                let claim = format!("foreign keys that point to {name}: {}", listed(&pointing));
                let evidence = cx.measured(claim, n, "keys", "pg_constraint");
                found.push(site.catalog_finding(&LINT, Severity::Error, message, evidence));
            } else if key.primary && !gets_another(cx, &table.relation) {
                let claim = format!("{name} is the primary key of {}", table.relation);
                let evidence = cx.measured(claim, 1.0, "keys", "pg_index.indisprimary");
                let message = format!("{} has no primary key from now on", table.relation);
                found.push(site.catalog_finding(&LINT, Severity::Warning, message, evidence));
            }
        }
    }
}

/// Foreign keys that need this key: no other one has its columns.
fn pointing(cx: &Context, site: &Site, table: &RelationInfo, key: &IndexInfo) -> Vec<String> {
    let same = |columns: &[String]| {
        columns.len() == key.columns.len() && key.columns.iter().all(|c| columns.contains(c))
    };
    let twins = table.indexes.iter().filter(|i| i.unique && same(&i.columns)).count();
    let Some(catalog) = cx.catalog.filter(|_| twins == 1) else { return Vec::new() };
    let points = |c: &ConstraintInfo| {
        let there = c.definition.split(" REFERENCES ").nth(1).unwrap_or("");
        let list = there.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
        match list.map(|(list, _)| list).filter(|list| !list.is_empty()) {
            Some(list) => same(&listed_columns(list)),
            None => key.primary,
        }
    };
    let keys = catalog.referencing(&table.relation).into_iter().filter(|(_, c)| points(c));
    keys.filter(|(child, c)| !is_dropped_before(cx, site, child, &c.name))
        .map(|(child, c)| format!("{} of {}", c.name, child.relation))
        .collect()
}

fn is_dropped_before(cx: &Context, site: &Site, child: &RelationInfo, key: &str) -> bool {
    cx.sites.iter().take(site.index + 1).flat_map(|s| &s.actions).any(|a| match a {
        Action::Alter { relation, command: Alter::DropConstraint { name, .. }, .. } => {
            child.relation.same_as(relation) && name == key
        }
        Action::Drop(d) => d.kind == "table" && d.names.iter().any(|n| child.relation.same_as(n)),
        _ => false,
    })
}

fn gets_another(cx: &Context, table: &Relation) -> bool {
    everywhere(cx).any(|a| match a {
        Action::Drop(d) => d.kind == "table" && d.names.iter().any(|n| table.same_as(n)),
        _ => added(a).iter().any(|(t, c)| t.same_as(table) && c.kind == 'p'),
    })
}
