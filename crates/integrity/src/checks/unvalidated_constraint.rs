//! Constraints that were added NOT VALID and never looked at the rows already there.

use super::{Check, rows_are_problems};

pub(super) static CHECK: Check = Check {
    id: "unvalidated_constraint",
    title: "a constraint was never validated",
    doc: "Old rows may break it, and the planner may not use it. VALIDATE CONSTRAINT reads the \
          table under SHARE UPDATE EXCLUSIVE: reads and writes go on.",
    rights: "no rights",
    cost: "one pass over pg_constraint, about 10 ms",
    sql: SQL,
    run: |session| rows_are_problems(session, CHECK.id, SQL),
};

const SQL: &str = "\
SELECT n.nspname::text,
       t.relname::text,
       pg_catalog.format('constraint %s of %s is not validated: %s rows were never checked',
                         c.conname, c.conrelid::regclass, greatest(t.reltuples, 0)::bigint),
       greatest(t.reltuples, 0)::float8,
       'rows'
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE NOT c.convalidated
ORDER BY 1, 2, 3";
