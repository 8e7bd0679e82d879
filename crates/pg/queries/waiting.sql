-- Client sessions that wait for a lock, what blocks them, and for how long they have waited.
-- pg_blocking_pids is asked for the waiting ones only: it stops the lock manager for a moment.
-- Since: 14
SELECT
    w.pid,
    pg_catalog.pg_blocking_pids(w.pid) AS blocked_by,
    (EXTRACT(epoch FROM pg_catalog.clock_timestamp() - w.since) * 1000)::float8 AS waited_ms
FROM (
    SELECT l.pid, pg_catalog.min(l.waitstart) AS since
    FROM pg_catalog.pg_locks l
    JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
    WHERE NOT l.granted
        AND a.backend_type = 'client backend'
        AND l.pid <> ALL ($1::integer[])
    GROUP BY l.pid
) w
