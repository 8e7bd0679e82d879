-- Counters of statements without their texts: reading those costs twice as much. Since: 14
SELECT
    s.queryid,
    coalesce(r.rolname::text, ''),
    s.calls,
    s.total_exec_time,
    s.rows,
    s.shared_blks_hit + s.shared_blks_read + s.local_blks_hit + s.local_blks_read,
    s.shared_blks_read,
    s.calls * (s.stddev_exec_time ^ 2 + s.mean_exec_time ^ 2)
FROM pg_stat_statements(false) s
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.userid
WHERE s.dbid = (SELECT d.oid FROM pg_catalog.pg_database d
                WHERE d.datname = pg_catalog.current_database())
  AND s.toplevel
  AND s.queryid IS NOT NULL
ORDER BY s.total_exec_time DESC
LIMIT 500
