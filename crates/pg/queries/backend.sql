-- One backend, to say why it may or may not be signalled.
-- Since: 14
SELECT
    a.backend_start,
    a.backend_type,
    COALESCE(a.state, '') AS state,
    COALESCE(a.query, '') ~ '^autovacuum: .*wraparound' AS wraparound,
    a.query_start
FROM pg_catalog.pg_stat_activity a
WHERE a.pid = $1
