//! Triggers that are switched off, those behind foreign keys above all.

use super::{Check, rows_are_problems};

pub(super) static CHECK: Check = Check {
    id: "disabled_trigger",
    title: "a trigger is switched off",
    doc: "A data load with DISABLE TRIGGER ALL that never switched them on again: foreign keys \
          are not kept, audits not written. ENABLE TRIGGER, then look for orphans.",
    rights: "no rights",
    cost: "one pass over pg_trigger, about 10 ms",
    sql: SQL,
    run: |session| rows_are_problems(session, CHECK.id, SQL),
};

const SQL: &str = "\
SELECT n.nspname::text,
       c.relname::text,
       pg_catalog.format('%s of %s is switched off',
           coalesce('foreign key ' || k.conname, 'trigger ' || pg_catalog.min(t.tgname::text)),
           t.tgrelid::regclass),
       pg_catalog.count(*)::float8,
       'triggers'
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint
WHERE (t.tgenabled = 'D' OR (t.tgisinternal AND t.tgenabled = 'R'))
GROUP BY n.nspname, c.relname, t.tgrelid, k.conname, CASE WHEN k.oid IS NULL THEN t.oid END
ORDER BY 1, 2, 3";
