//! Indexes that a failed `CREATE INDEX CONCURRENTLY` or `REINDEX CONCURRENTLY` left behind.

use super::{Check, rows_are_problems};

pub(super) static CHECK: Check = Check {
    id: "invalid_index",
    title: "an index is invalid",
    doc: "It costs every write and helps no read; a unique one does not keep duplicates out. \
          Drop it CONCURRENTLY, remove the reason (duplicates, a cancelled build), build it again.",
    rights: "no rights; pg_monitor to leave out indexes that are being built right now",
    cost: "one pass over pg_index, about 10 ms",
    sql: SQL,
    run: |session| rows_are_problems(session, CHECK.id, SQL),
};

const SQL: &str = "\
SELECT n.nspname::text,
       c.relname::text,
       pg_catalog.format('index %s of %s is invalid: it costs writes and helps no read',
                         c.relname, i.indrelid::regclass),
       (c.relpages::float8 * pg_catalog.current_setting('block_size')::float8),
       'bytes'
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT (i.indisvalid AND i.indisready AND i.indislive)
  AND c.relkind = 'i'
  AND NOT EXISTS (
      SELECT
      FROM pg_catalog.pg_stat_progress_create_index p
      WHERE p.index_relid = i.indexrelid OR p.relid = i.indrelid)
ORDER BY 1, 2";
