-- Locks of some sessions: what they wait for, and which user tables they hold. Since: 14
SELECT
    l.pid,
    l.locktype,
    l.mode,
    l.granted,
    n.nspname::text,
    c.relname::text,
    l.waitstart
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_class c
  ON c.oid = l.relation
 AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                   WHERE d.datname = pg_catalog.current_database())
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid = ANY ($1)
  AND (NOT l.granted
       OR (c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')))
LIMIT 20001
