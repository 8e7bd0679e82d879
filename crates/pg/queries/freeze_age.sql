-- The database that is furthest behind with freezing, and the ages that matter. Since: 14
SELECT
    d.datname::text,
    pg_catalog.age(d.datfrozenxid)::bigint,
    pg_catalog.current_setting('autovacuum_freeze_max_age')::bigint,
    pg_catalog.current_setting('vacuum_failsafe_age')::bigint
FROM pg_catalog.pg_database d
ORDER BY pg_catalog.age(d.datfrozenxid) DESC
LIMIT 1
