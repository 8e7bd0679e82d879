-- Client sessions without our own watching ones. pg_blocking_pids only where someone waits
-- on a lock: it takes the lock table's partitions in turn. Since: 14
SELECT
    a.pid,
    coalesce(a.usename::text, ''),
    coalesce(a.application_name, ''),
    coalesce(pg_catalog.host(a.client_addr), ''),
    coalesce(a.datname::text, ''),
    a.backend_start,
    a.xact_start,
    a.query_start,
    a.state_change,
    coalesce(a.state, ''),
    coalesce(a.wait_event_type, ''),
    coalesce(a.wait_event, ''),
    a.backend_xid::text,
    pg_catalog.left(coalesce(a.query, ''), 1000),
    coalesce(a.query_id, 0),
    CASE WHEN a.wait_event_type = 'Lock' THEN pg_catalog.pg_blocking_pids(a.pid) ELSE '{}' END
FROM pg_catalog.pg_stat_activity a
WHERE a.backend_type = 'client backend'
  AND coalesce(a.application_name, '') NOT IN ('pgward watch', 'pgward inspect', 'pgward private')
ORDER BY a.pid
LIMIT 2000
