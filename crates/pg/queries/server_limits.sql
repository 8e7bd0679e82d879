-- Settings that bound a change, and how full the lock table is: what goes by the fast path takes
-- no room in it. Since: 14
SELECT
    pg_catalog.current_setting('max_connections')::bigint,
    pg_catalog.current_setting('max_prepared_transactions')::bigint,
    pg_catalog.current_setting('max_locks_per_transaction')::bigint,
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks l WHERE NOT l.fastpath),
    pg_catalog.current_setting('wal_level'),
    (SELECT CASE WHEN s.setting::float8 >= 0 THEN s.setting::float8 * 1048576 END
     FROM pg_catalog.pg_settings s WHERE s.name = 'max_slot_wal_keep_size')
