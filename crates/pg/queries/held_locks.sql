-- Locks on this database's tables that some sessions ($1) and all prepared transactions hold;
-- the latter have no pid. Since: 14
SELECT
    coalesce(l.pid, 0),
    l.virtualtransaction,
    l.mode,
    n.nspname::text,
    c.relname::text
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_class c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE l.locktype = 'relation'
  AND l.granted
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                    WHERE d.datname = pg_catalog.current_database())
  AND (l.pid = ANY ($1) OR l.pid IS NULL)
  AND c.relkind IN ('r', 'p', 'm')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
LIMIT 20000
