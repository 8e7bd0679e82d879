-- How far behind freezing is, and what autovacuum may do about it. Since: 14
SELECT
    (SELECT pg_catalog.max(pg_catalog.age(d.datfrozenxid))::bigint FROM pg_catalog.pg_database d),
    (SELECT pg_catalog.max(pg_catalog.mxid_age(d.datminmxid))::bigint FROM pg_catalog.pg_database d),
    pg_catalog.current_setting('autovacuum_freeze_max_age')::bigint,
    pg_catalog.current_setting('autovacuum_multixact_freeze_max_age')::bigint,
    pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint,
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a
     WHERE a.backend_type = 'autovacuum worker'),
    pg_catalog.current_setting('autovacuum_max_workers')::bigint
