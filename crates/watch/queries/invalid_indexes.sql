-- Invalid indexes of user tables, and whether some session may be at work on them: one that drops
-- an index CONCURRENTLY shows no progress. Since: 14
SELECT
    n.nspname::text,
    c.relname::text,
    tn.nspname::text,
    t.relname::text,
    coalesce(pg_catalog.pg_get_indexdef(i.indexrelid), ''),
    i.indisunique,
    i.indisready,
    EXISTS (
        SELECT
        FROM pg_catalog.pg_stat_progress_create_index p
        WHERE p.index_relid = i.indexrelid
           OR (p.relid = i.indrelid AND p.index_relid = 0)
    ) OR EXISTS (
        SELECT
        FROM pg_catalog.pg_stat_activity a
        WHERE a.state = 'active'
          AND a.pid <> pg_catalog.pg_backend_pid()
          AND a.query ~* '\mindex\s+concurrently\M|\mreindex\M'
    )
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
WHERE NOT i.indisvalid
  AND c.relkind = 'i'
  AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
ORDER BY i.indexrelid DESC
LIMIT 200
