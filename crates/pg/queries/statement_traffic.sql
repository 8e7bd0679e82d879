-- What applications ran, most total time first; our own queries left out. Since: 14
SELECT
    s.queryid,
    pg_catalog.left(s.query, 10000),
    coalesce(r.rolname::text, ''),
    s.calls,
    s.total_exec_time
FROM pg_stat_statements s
JOIN pg_catalog.pg_database d ON d.oid = s.dbid
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.userid
WHERE d.datname = pg_catalog.current_database()
  AND s.toplevel
  AND s.queryid IS NOT NULL
  AND s.query NOT LIKE '/* pgward%'
  AND s.query !~* '^\s*(begin|commit|rollback|start|set|show|reset|discard|deallocate|explain|copy|vacuum|analyze|savepoint|release|prepare|create|alter|drop)\M'
ORDER BY s.total_exec_time DESC
LIMIT 500
