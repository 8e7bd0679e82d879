-- The role of this server. Since: 14
SELECT
    pg_catalog.pg_is_in_recovery(),
    pg_catalog.current_setting('default_transaction_read_only')::boolean,
    pg_catalog.current_setting('synchronous_standby_names'),
    CASE WHEN pg_catalog.pg_is_in_recovery() THEN
        pg_catalog.pg_wal_lsn_diff(
            pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn()
        )::float8
    END,
    CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_is_wal_replay_paused() ELSE false END,
    (SELECT coalesce(pg_catalog.sum(d.conflicts), 0)::bigint FROM pg_catalog.pg_stat_database d)
