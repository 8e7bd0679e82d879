-- Advisory locks of this database that are one bigint, with who holds them. Since: 14
SELECT
    coalesce(l.pid, 0),
    coalesce(a.usename::text, ''),
    coalesce(a.application_name, ''),
    (l.classid::bigint << 32) | l.objid::bigint,
    CASE WHEN pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') THEN a.xact_start IS NOT NULL END
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory'
  AND l.granted
  AND l.objsubid = 1
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                    WHERE d.datname = pg_catalog.current_database())
ORDER BY l.pid
LIMIT 1000
