-- What a server says of itself. Since: 14
SELECT
    pg_catalog.current_setting('server_version'),
    pg_catalog.pg_postmaster_start_time(),
    pg_catalog.pg_conf_load_time(),
    pg_catalog.pg_is_in_recovery(),
    (SELECT c.system_identifier FROM pg_catalog.pg_control_system() c),
    pg_catalog.pg_wal_lsn_diff(
        coalesce(
            CASE WHEN pg_catalog.pg_is_in_recovery()
                 THEN pg_catalog.pg_last_wal_replay_lsn()
                 ELSE pg_catalog.pg_current_wal_lsn() END,
            '0/0'
        ),
        '0/0'
    )::float8
