-- Locks of some sessions: what they wait for, and which user tables they hold; a TOAST table is its
-- table's. Since: 14
SELECT
    l.pid,
    l.locktype,
    l.mode,
    l.granted,
    coalesce(
        CASE WHEN c.relkind = 't' THEN (
            SELECT n.nspname::text
            FROM pg_catalog.pg_class o
            JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace
            WHERE o.reltoastrelid = c.oid
        ) END,
        n.nspname::text
    ),
    coalesce(
        CASE WHEN c.relkind = 't' THEN (
            SELECT o.relname::text FROM pg_catalog.pg_class o WHERE o.reltoastrelid = c.oid
        ) END,
        c.relname::text
    ),
    l.waitstart
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_class c
  ON c.oid = l.relation
 AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                   WHERE d.datname = pg_catalog.current_database())
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid = ANY ($1)
  AND (NOT l.granted
       OR (c.relkind IN ('r', 'p', 'm', 't')
           AND n.nspname NOT IN ('pg_catalog', 'information_schema')))
LIMIT 20001
