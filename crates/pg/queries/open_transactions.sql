-- Transactions of this database that have been open for a second or longer, the oldest first.
-- A snapshot is what CONCURRENTLY waits for; an id alone is not. Since: 14
SELECT
    a.pid,
    coalesce(a.usename::text, ''),
    coalesce(nullif(a.application_name, ''), nullif(a.backend_type, 'client backend'), ''),
    coalesce(a.state, ''),
    extract(EPOCH FROM pg_catalog.clock_timestamp() - a.xact_start)::float8,
    coalesce(extract(EPOCH FROM pg_catalog.clock_timestamp() - a.state_change), 0)::float8,
    pg_catalog.left(coalesce(a.query, ''), 200),
    a.backend_xmin IS NOT NULL
FROM pg_catalog.pg_stat_activity a
WHERE a.datname = pg_catalog.current_database()
  AND a.backend_type NOT IN ('autovacuum worker', 'parallel worker', 'walsender')
  AND a.xact_start < pg_catalog.clock_timestamp() - interval '1 second'
  AND a.pid <> pg_catalog.pg_backend_pid()
ORDER BY a.xact_start
LIMIT 200
