-- Signals one backend, only while it is still the session that was meant and does what it did.
-- Since: 14
SELECT
    CASE $3::text
        WHEN 'cancel' THEN pg_catalog.pg_cancel_backend(a.pid)
        ELSE pg_catalog.pg_terminate_backend(a.pid)
    END AS sent
FROM pg_catalog.pg_stat_activity a
WHERE a.pid = $1
    AND a.backend_start = $2
    AND a.backend_type IN ('client backend', 'autovacuum worker')
    AND COALESCE(a.query, '') !~ '^autovacuum: .*wraparound'
    AND a.pid <> ALL ($4::integer[])
    AND ($5::text IS NULL OR a.state = $5)
    AND ($6::timestamptz IS NULL OR a.query_start = $6)
    AND ($7::timestamptz IS NULL OR a.xact_start = $7)
    AND (NOT $8::boolean OR EXISTS (
        SELECT FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND NOT l.granted
    ))
    AND (NOT $9::boolean OR EXISTS (
        SELECT
        FROM pg_catalog.pg_locks w
        WHERE NOT w.granted AND a.pid = ANY (pg_catalog.pg_blocking_pids(w.pid))
    ))
