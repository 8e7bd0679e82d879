//! A key of the table is near its last number.

use crate::context::Context;
use crate::tables::everywhere;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "key_near_end",
    severity: Severity::Warning,
    title: "a key of the table is near its last number",
    harm: "when the sequence or the column can hold no more, every INSERT fails (2200H, 22003), \
           and the way to bigint rewrites the table",
    instead: "plan the way to bigint now: a new column, a trigger that fills it, a backfill in \
              batches, a swap of the names",
    source: "Numeric Types, Integer Types; CREATE SEQUENCE",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ADD COLUMN b int;",
            catalog: "CREATE TABLE t (id serial PRIMARY KEY); SELECT setval('t_id_seq', \
                      1900000000);",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "INSERT INTO t VALUES (DEFAULT);",
            catalog: "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY); SELECT \
                      setval('t_id_seq', 1200000000);",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY ON r (t);",
            catalog: "CREATE TABLE t (id bigserial PRIMARY KEY); CREATE TABLE r (t int \
                      REFERENCES t (id)); SELECT setval('t_id_seq', 2100000000);",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN id TYPE bigint;",
            catalog: "CREATE TABLE t (id serial PRIMARY KEY); SELECT setval('t_id_seq', \
                      1900000000);",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ADD COLUMN b int;",
            catalog: "CREATE TABLE t (id bigserial PRIMARY KEY); SELECT setval('t_id_seq', \
                      1900000000);",
            finds: &[],
        },
    ],
    check,
};

/// There is time to plan.
const HALF: f64 = 0.5;
/// As the watch's `key_overflow` has it.
const NEAR: f64 = 0.8;

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(keys) = cx.conditions().and_then(|c| c.keys.as_ref()) else { return };
    for key in keys.iter().filter(|k| k.used() >= HALF && !is_widened(cx, k)) {
        let site = cx.sites.iter().find(|s| {
            let mut touched = s.effects.iter().filter(|e| e.lock > LockMode::RowShare);
            touched.any(|e| e.relation.same_as(&key.relation) && cx.existed(s, &e.relation))
        });
        let Some(site) = site else { continue };
        let severity = if key.used() >= NEAR { Severity::Warning } else { Severity::Note };
        let KeyLimit { relation, column, data_type, .. } = key;
        let used = human((100.0 * key.used()).floor());
        let left = (key.limit - key.last_value).max(0) as f64;
        let message = format!(
            "{relation}.{column} ({data_type}) has used {used}% of its numbers, {} are left",
            human(left)
        );
        let claim = format!(
            "{} has given {} of {}",
            key.sequence,
            human(key.last_value as f64),
            human(key.limit as f64)
        );
        let evidence =
            cx.measured(claim, key.last_value as f64, "numbers", "pg_sequence_last_value");
        found.push(site.catalog_finding(&LINT, severity, message, evidence));
    }
}

/// Does the change do something about it?
fn is_widened(cx: &Context, key: &KeyLimit) -> bool {
    everywhere(cx).any(|a| match a {
        Action::Alter { relation, command: Alter::SetType { column, .. }, .. } => {
            relation.same_as(&key.relation) && *column == key.column
        }
        Action::Drop(d) if d.kind == "table" => d.names.iter().any(|n| n.same_as(&key.relation)),
        Action::Alter { relation, kind, .. } => {
            kind == "sequence" && relation.same_as(&key.sequence)
        }
        _ => false,
    })
}
