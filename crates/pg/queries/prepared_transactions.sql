-- Prepared transactions of this database, the oldest first, and how pg_locks calls each: by the
-- session that prepared it, or -1 and its id once the server was started again. Since: 14
SELECT
    p.gid,
    p.owner::text,
    extract(EPOCH FROM pg_catalog.clock_timestamp() - p.prepared)::float8,
    coalesce(
        (SELECT l.virtualtransaction FROM pg_catalog.pg_locks l
         WHERE l.locktype = 'transactionid' AND l.pid IS NULL AND l.granted
           AND l.transactionid = p.transaction
         LIMIT 1),
        ''
    )
FROM pg_catalog.pg_prepared_xacts p
WHERE p.database = pg_catalog.current_database()
ORDER BY p.prepared
LIMIT 200
