-- Invalid indexes that nobody is building right now.
-- Since: 14
SELECT
    n.nspname::text,
    c.relname::text,
    i.indexrelid
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid
    AND c.relkind = 'i'
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_stat_progress_create_index p
        WHERE p.index_relid = i.indexrelid AND p.pid <> pg_catalog.pg_backend_pid())
