//! What is wrong with the data when it speaks, in one sentence.

use super::{Check, rows_are_problems};

pub(super) static CHECK: Check = Check {
    id: "{{id}}",
    title: "what is wrong, in one line",
    doc: "What a problem found by it means, and what to do.",
    rights: "no rights",
    cost: "one pass over pg_index",
    sql: SQL,
    run: |session| rows_are_problems(session, CHECK.id, SQL),
};

/// Rows are problems: schema, name (both may be null), claim, value, unit.
const SQL: &str = "\
SELECT n.nspname::text,
       c.relname::text,
       pg_catalog.format('index %I is not valid', c.relname),
       1::float8,
       'indexes'
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid
ORDER BY 1, 2";
