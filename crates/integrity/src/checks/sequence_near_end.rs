//! Sequences that will run out, or fill the column they feed.

use super::{Check, rows_are_problems};

pub(super) static CHECK: Check = Check {
    id: "sequence_near_end",
    title: "a key is running out",
    doc: "At the end every INSERT fails (2200H, or 22003 for a narrower column). Widening a key \
          online takes weeks, so three quarters is the time to begin: at a doubling per year \
          five months are left.",
    rights: "SELECT on the sequences, as pg_read_all_data has it",
    cost: "one page per sequence",
    sql: SQL,
    run: |session| rows_are_problems(session, CHECK.id, SQL),
};

const SQL: &str = "\
WITH fed AS (
    SELECT s.schemaname,
           s.sequencename,
           s.last_value,
           least(s.max_value, CASE a.atttypid
               WHEN 'int2'::regtype THEN 32767
               WHEN 'int4'::regtype THEN 2147483647
               ELSE s.max_value END) AS end_value,
           pg_catalog.format('%s.%s', d.refobjid::regclass, a.attname) AS column_name
    FROM pg_catalog.pg_sequences s
    JOIN pg_catalog.pg_class c ON c.relname = s.sequencename AND c.relkind = 'S'
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = s.schemaname
    LEFT JOIN pg_catalog.pg_depend d
        ON d.classid = 'pg_class'::regclass
        AND d.objid = c.oid
        AND d.deptype IN ('a', 'i')
        AND d.refobjsubid > 0
    LEFT JOIN pg_catalog.pg_attribute a
        ON a.attrelid = d.refobjid
        AND a.attnum = d.refobjsubid
    WHERE s.last_value IS NOT NULL
      AND s.increment_by > 0
      AND NOT s.cycle
)
SELECT schemaname::text,
       sequencename::text,
       pg_catalog.format('sequence %s is at %s of %s%s', sequencename, last_value, end_value,
                         coalesce(' (column ' || nullif(column_name, '.') || ')', '')),
       (100.0 * last_value / end_value)::float8,
       '%'
FROM fed
WHERE last_value >= 0.75 * end_value
ORDER BY 4 DESC";
