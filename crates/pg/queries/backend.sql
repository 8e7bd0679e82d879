-- One backend, to say why it may or may not be signalled.
-- Since: 14
SELECT
    a.backend_start,
    a.backend_type,
    COALESCE(a.state, '') AS state,
    COALESCE(a.query, '') ~ '^autovacuum: .*wraparound' AS wraparound,
    a.query_start,
    a.xact_start,
    EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND NOT l.granted) AS waits
FROM pg_catalog.pg_stat_activity a
WHERE a.pid = $1
