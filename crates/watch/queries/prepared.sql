-- Prepared transactions of this database that hold locks, with their tables. Since: 14
SELECT
    p.gid,
    p.owner::text,
    p.prepared,
    p.transaction::text,
    l.mode,
    n.nspname::text,
    c.relname::text
FROM pg_catalog.pg_prepared_xacts p
JOIN pg_catalog.pg_locks l
  ON l.pid IS NULL AND l.granted AND l.virtualtransaction = '-1/' || p.transaction::text
LEFT JOIN pg_catalog.pg_class c
  ON c.oid = l.relation
 AND c.relkind IN ('r', 'p', 'm')
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE p.database = pg_catalog.current_database()
ORDER BY p.prepared, p.gid
LIMIT 1000
