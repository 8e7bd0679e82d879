-- Autovacuums of this database and how far they are; that of a TOAST table counts for its table.
-- Since: 14
SELECT
    a.pid,
    n.nspname::text,
    t.relname::text,
    a.query LIKE '%(to prevent wraparound)',
    coalesce(extract(EPOCH FROM pg_catalog.clock_timestamp() - a.xact_start), 0)::float8,
    p.heap_blks_scanned::float8 / nullif(p.heap_blks_total, 0)
FROM pg_catalog.pg_stat_progress_vacuum p
JOIN pg_catalog.pg_stat_activity a ON a.pid = p.pid
JOIN pg_catalog.pg_class v ON v.oid = p.relid
LEFT JOIN pg_catalog.pg_class o ON v.relkind = 't' AND o.reltoastrelid = v.oid
JOIN pg_catalog.pg_class t ON t.oid = coalesce(o.oid, v.oid)
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE a.backend_type = 'autovacuum worker'
  AND p.datname = pg_catalog.current_database()
ORDER BY a.xact_start
LIMIT 100
