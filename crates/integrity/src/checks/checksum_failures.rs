//! Pages that the server itself has already found damaged.

use super::{Check, rows_are_problems};

pub(super) static CHECK: Check = Check {
    id: "checksum_failures",
    title: "the server has read a damaged page",
    doc: "Somebody's query failed with XX001, or a base backup stopped. The page scan finds the \
          block; its rows come back from a backup and the WAL. Never set zero_damaged_pages on \
          the original.",
    rights: "no rights",
    cost: "one row per database",
    sql: SQL,
    run: |session| rows_are_problems(session, CHECK.id, SQL),
};

const SQL: &str = "\
SELECT NULL::text,
       NULL::text,
       pg_catalog.format('%s checksum failures in %s, the last at %s', checksum_failures,
                         coalesce('database ' || datname, 'shared relations'),
                         checksum_last_failure),
       checksum_failures::float8,
       'failures'
FROM pg_catalog.pg_stat_database
WHERE checksum_failures > 0
  AND (datname = pg_catalog.current_database() OR datid = 0)
ORDER BY 3";
