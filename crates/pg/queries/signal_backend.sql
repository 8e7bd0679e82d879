-- Signals one backend, only while it is still the session that was meant.
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
