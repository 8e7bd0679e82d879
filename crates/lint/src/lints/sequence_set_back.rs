//! A sequence goes back to numbers that its column has had.

use crate::context::{Context, Site};
use crate::tables::everywhere;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter, Predicate, SequenceName};

pub(super) static LINT: Lint = Lint {
    id: "sequence_set_back",
    severity: Severity::Error,
    title: "a sequence goes back to numbers that its column has had",
    harm: "each INSERT that takes its number from there fails (23505) until the sequence has \
           passed every row that is there, one number at a time",
    instead: "set it to what the column has: SELECT setval('orders_id_seq', (SELECT max(id) FROM \
              orders))",
    source: "Sequence Manipulation Functions; ALTER SEQUENCE",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER SEQUENCE t_id_seq RESTART;",
            catalog: FILLED,
            finds: &[Severity::Error],
        },
        Example {
            sql: "SELECT setval(pg_get_serial_sequence('t', 'id'), 40);",
            catalog: FILLED,
            finds: &[Severity::Error],
        },
        Example {
            sql: "DO $$ BEGIN PERFORM setval('t_id_seq', 1, false); END $$;",
            catalog: FILLED,
            finds: &[Severity::Error],
        },
        Example { sql: "SELECT setval('t_id_seq', 1000);", catalog: FILLED, finds: &[] },
        Example {
            sql: "SELECT setval('t_id_seq', (SELECT max(id) FROM t));",
            catalog: FILLED,
            finds: &[],
        },
        Example {
            sql: "ALTER SEQUENCE t_id_seq RESTART WITH 5000000000;",
            catalog: FILLED,
            finds: &[],
        },
        Example {
            sql: "ALTER SEQUENCE t_id_seq RESTART WITH 70;",
            catalog: "CREATE TABLE t (id bigserial PRIMARY KEY); INSERT INTO t (id) SELECT g FROM \
                      generate_series(1, 60) g; SELECT setval('t_id_seq', 100); ANALYZE t;",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER SEQUENCE t_id_seq RESTART; TRUNCATE t; -- pgward: expect rows 100",
            catalog: FILLED,
            finds: &[],
        },
        Example {
            sql: "DELETE FROM t; -- pgward: expect rows 100\nALTER SEQUENCE t_id_seq RESTART;",
            catalog: FILLED,
            finds: &[],
        },
        Example { sql: "ALTER SEQUENCE t_id_seq RESTART;", catalog: "", finds: &[] },
        Example {
            sql: "ALTER TABLE t ALTER id RESTART;",
            catalog: "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY); SELECT \
                      nextval('t_id_seq');",
            finds: &[],
        },
    ],
    check,
};

const FILLED: &str = "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t (id) SELECT \
                      nextval('t_id_seq') FROM generate_series(1, 100); ANALYZE t;";

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(keys) = cx.conditions().and_then(|c| c.keys.as_ref()) else { return };
    for site in &cx.sites {
        for action in &site.actions {
            let Some((sequence, next)) = set(action) else { continue };
            let fed = |k: &&KeyLimit| k.refers_to.is_none() && is_meant(&sequence, k);
            let back = |k: &&KeyLimit| {
                next.unwrap_or(1) <= k.last_value && has_rows(cx, site, &k.relation)
            };
            if let Some(key) = keys.iter().filter(fed).find(back) {
                found.push(finding(cx, site, key, next));
            }
        }
    }
}

/// The sequence that is set, and the number that it gives next; `None` for its start.
fn set(action: &Action) -> Option<(SequenceName, Option<i64>)> {
    match action {
        Action::SetSequence { sequence, next } => Some((sequence.clone(), Some(*next))),
        Action::Alter { relation, command: Alter::Restart { column, next }, .. } => {
            let relation = relation.clone();
            let name = match column.clone() {
                Some(column) => SequenceName::Feeds { table: relation, column },
                None => SequenceName::Own(relation),
            };
            Some((name, *next))
        }
        _ => None,
    }
}

fn is_meant(sequence: &SequenceName, key: &KeyLimit) -> bool {
    match sequence {
        SequenceName::Own(name) => name.same_as(&key.sequence),
        SequenceName::Feeds { table, column } => {
            table.same_as(&key.relation) && *column == key.column
        }
    }
}

/// Has it rows from before, and does the change leave them there?
fn has_rows(cx: &Context, site: &Site, relation: &Relation) -> bool {
    let takes_all = |action: &Action| match action {
        Action::Truncate { relations, .. } => relations.iter().any(|r| r.same_as(relation)),
        Action::Rows(rows) => {
            let all = matches!(rows.predicate, Predicate::Missing | Predicate::Always { .. });
            rows.verb == StatementKind::Delete && all && rows.relation.same_as(relation)
        }
        _ => false,
    };
    // A table that was truncated has no number of rows until it is analyzed.
    let is_bare = |t: &RelationInfo| t.kind == 'r' && t.n_rows.is_none() && t.table_bytes == 0.0;
    let is_empty = |t: &RelationInfo| t.n_rows == Some(0.0) || is_bare(t);
    cx.existed(site, relation)
        && !cx.table(relation).is_some_and(is_empty)
        && !everywhere(cx).any(takes_all)
}

fn finding(cx: &Context, site: &Site, key: &KeyLimit, next: Option<i64>) -> Finding {
    let KeyLimit { relation, column, sequence, last_value, .. } = key;
    let last = human(*last_value as f64);
    let goes = match next {
        Some(next) => format!("gives {} next", human(next as f64)),
        None => "begins anew".to_owned(),
    };
    let message =
        format!("{sequence} {goes}, and rows of {relation} may have any {column} up to {last}");
    let source = "pg_sequence_last_value";
    let claim = format!("{sequence} has given {last}");
    let evidence = cx.measured(claim, *last_value as f64, "numbers", source);
    // So many rows cannot all have lower numbers.
    let n_rows = cx.table(relation).and_then(|t| t.n_rows).unwrap_or(0.0);
    let severity =
        if next.unwrap_or(1) as f64 <= n_rows { Severity::Error } else { Severity::Warning };
    site.catalog_finding(&LINT, severity, message, evidence)
}
