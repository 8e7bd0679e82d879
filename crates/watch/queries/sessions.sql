-- Client sessions without our own watching ones ($1: pids, $2: starts), and whatever else keeps
-- a session waiting: autovacuum workers, appliers, ourselves. A session whose backend_type is
-- hidden from this role counts as a client. pg_blocking_pids only where someone waits on a
-- lock: it takes the lock table's partitions in turn. Since: 14
WITH activity AS MATERIALIZED (
    SELECT
        a.*,
        CASE
            WHEN a.wait_event_type = 'Lock' THEN pg_catalog.pg_blocking_pids(a.pid)
            ELSE '{}'
        END AS blocked_by
    FROM pg_catalog.pg_stat_activity a
),
blockers AS (
    SELECT DISTINCT b.pid
    FROM activity w, pg_catalog.unnest(w.blocked_by) AS b (pid)
),
own AS (
    SELECT o.pid, o.backend_start
    FROM ROWS FROM (
        pg_catalog.unnest($1::integer[]), pg_catalog.unnest($2::timestamptz[])
    ) AS o (pid, backend_start)
)
SELECT
    a.pid,
    coalesce(a.usename::text, ''),
    CASE
        WHEN coalesce(a.application_name, '') <> '' THEN a.application_name
        WHEN a.backend_type <> 'client backend' THEN a.backend_type
        ELSE ''
    END,
    coalesce(pg_catalog.host(a.client_addr), ''),
    coalesce(a.datname::text, ''),
    coalesce(a.backend_start, pg_catalog.now()),
    a.xact_start,
    a.query_start,
    a.state_change,
    coalesce(a.state, CASE WHEN a.backend_type <> 'client backend' THEN a.backend_type END, ''),
    coalesce(a.wait_event_type, ''),
    coalesce(a.wait_event, ''),
    a.backend_xid::text,
    pg_catalog.left(coalesce(a.query, ''), 1000),
    coalesce(a.query_id, 0),
    a.blocked_by
FROM activity a
LEFT JOIN blockers b ON b.pid = a.pid
WHERE b.pid IS NOT NULL
   OR (
       (a.backend_type = 'client backend' OR (a.backend_type IS NULL AND a.usesysid IS NOT NULL))
       AND NOT EXISTS (
           SELECT FROM own o WHERE o.pid = a.pid AND o.backend_start = a.backend_start
       )
   )
ORDER BY b.pid IS NULL, a.wait_event_type = 'Lock' DESC NULLS LAST, a.pid
LIMIT 2001
