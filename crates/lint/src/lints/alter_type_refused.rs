//! A new type for a column that something else is made of.

use crate::context::{Context, Site};
use crate::users::{has_word, listed};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "alter_type_refused",
    severity: Severity::Error,
    title: "a column that a view or a generated column is made of gets another type",
    harm: "PostgreSQL refuses it, and the change stops there",
    instead: "drop the view first and create it again in the same transaction; drop a generated \
              column and add it again",
    source: "ALTER TABLE, SET DATA TYPE",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE bigint;",
            catalog: "CREATE TABLE t (a int, b int); CREATE VIEW v AS SELECT a FROM t;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE bigint;",
            catalog: "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) STORED);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN b TYPE bigint;",
            catalog: "CREATE TABLE t (a int, b int); CREATE VIEW v AS SELECT a FROM t;",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE bigint;",
            catalog: "CREATE TABLE t (a int, b int); CREATE VIEW v AS SELECT b AS a FROM t;",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE bigint;",
            catalog: "CREATE TABLE t (a int, b int); CREATE TABLE u (c int); CREATE VIEW v AS \
                      SELECT t.b FROM t JOIN u ON u.c = t.a;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "DROP VIEW v; ALTER TABLE t ALTER COLUMN a TYPE bigint;",
            catalog: "CREATE TABLE t (a int, b int); CREATE VIEW v AS SELECT a FROM t;",
            finds: &[],
        },
        Example { sql: "ALTER TABLE t ALTER COLUMN a TYPE bigint;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command: Alter::SetType { column, .. }, .. } = action
            else {
                continue;
            };
            let Some(table) = cx.table(relation) else { continue };
            let mut users = generated(cx, site, table, column);
            users.extend(views(cx, site, table, column));
            if users.is_empty() {
                continue;
            }
            let claim = format!("{relation}.{column} is used by {}", listed(&users));
            let n = users.len() as f64;
            let evidence = cx.measured(claim, n, "objects", "pg_rewrite, pg_attrdef");
            let message = format!(
                "{relation}.{column} cannot get another type: {} is made of it",
                listed(&users)
            );
            found.push(site.catalog_finding(&LINT, Severity::Error, message, evidence));
        }
    }
}

fn generated(cx: &Context, site: &Site, table: &RelationInfo, column: &str) -> Vec<String> {
    let made_of = |c: &&ColumnInfo| {
        c.generated.is_some() && c.default.as_ref().is_some_and(|d| has_word(d, column))
    };
    let others = table.columns.iter().filter(made_of).filter(|c| c.name != column);
    others
        .filter(|c| !up_to(cx, site).any(|a| drops_column(a, &table.relation, &c.name)))
        .map(|c| format!("generated column {}", c.name))
        .collect()
}

fn drops_column(action: &Action, table: &Relation, column: &str) -> bool {
    match action {
        Action::Alter { relation, command: Alter::DropColumn { name, .. }, .. } => {
            relation.same_as(table) && name == column
        }
        _ => false,
    }
}

/// Views whose text has the column's name; where a view has several tables, PostgreSQL writes
/// the table's before it.
fn views(cx: &Context, site: &Site, table: &RelationInfo, column: &str) -> Vec<String> {
    let Some(catalog) = cx.catalog else { return Vec::new() };
    let uses_it = |o: &&ObjectInfo| {
        let names_it = match o.uses.as_slice() {
            [_] => reads(&o.definition, column),
            _ => has(&o.definition, &format!("{}.{}", table.relation.name, quote_ident(column))),
        };
        o.kind.ends_with("view") && o.uses.iter().any(|u| u.same_as(&table.relation)) && names_it
    };
    let views = catalog.objects.iter().filter(uses_it);
    views
        .filter(|o| !up_to(cx, site).any(|a| drops_view(a, &o.identity)))
        .map(|o| format!("{} {}", o.kind, o.identity))
        .collect()
}

/// Does the view take the column, and not only give its name to another (`b AS column`)?
fn reads(definition: &str, column: &str) -> bool {
    let words = definition.split(|c: char| !c.is_alphanumeric() && c != '_');
    let words: Vec<&str> = words.filter(|w| !w.is_empty()).collect();
    let given = |at: usize| at.checked_sub(1).and_then(|i| words.get(i)) == Some(&"AS");
    words.iter().enumerate().any(|(at, word)| *word == column && !given(at))
}

/// Does the text contain the words, and not only as the beginning or end of longer ones?
fn has(text: &str, words: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    text.match_indices(words).any(|(at, _)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + words.len()..).and_then(|t| t.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn up_to<'a>(cx: &'a Context, site: &Site) -> impl Iterator<Item = &'a Action> {
    cx.sites.iter().take(site.index + 1).flat_map(|s| &s.actions)
}

/// CASCADE may take the view with what it names.
fn drops_view(action: &Action, identity: &str) -> bool {
    let bare = |text: &str| text.rsplit('.').next().unwrap_or("").trim_matches('"').to_owned();
    match action {
        Action::Drop(d) => {
            d.cascade
                || (d.kind.ends_with("view") && d.names.iter().any(|n| n.name == bare(identity)))
        }
        _ => false,
    }
}
