-- What must not reach its limit: name, used, most (null: unbounded), unit, whose. The age of ids
-- is bounded where the server begins to refuse commands: three million before they wrap around.
-- Since: 14
SELECT l.*
FROM (
    SELECT
        'connections',
        pg_catalog.sum(s.numbackends)::float8,
        pg_catalog.current_setting('max_connections')::float8
            - pg_catalog.current_setting('superuser_reserved_connections')::float8
            - coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::float8,
        'sessions',
        'all roles without reserved slots'
    FROM pg_catalog.pg_stat_database s
    UNION ALL
    SELECT
        'connections of a database',
        s.numbackends::float8,
        d.datconnlimit::float8,
        'sessions',
        d.datname::text
    FROM pg_catalog.pg_database d
    JOIN pg_catalog.pg_stat_database s ON s.datid = d.oid
    WHERE d.datconnlimit > 0
    UNION ALL
    SELECT
        'connections of a role',
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a
         WHERE a.usesysid = r.oid)::float8,
        r.rolconnlimit::float8,
        'sessions',
        r.rolname::text
    FROM pg_catalog.pg_roles r
    WHERE r.rolconnlimit > 0 AND r.rolcanlogin
    UNION ALL
    SELECT
        'transaction ids',
        pg_catalog.max(pg_catalog.age(d.datfrozenxid))::float8,
        2144483647::float8,
        'transactions',
        (pg_catalog.array_agg(d.datname::text ORDER BY pg_catalog.age(d.datfrozenxid) DESC))[1]
    FROM pg_catalog.pg_database d
    UNION ALL
    SELECT
        'prepared transactions',
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_xacts)::float8,
        pg_catalog.current_setting('max_prepared_transactions')::float8,
        'transactions',
        'all databases'
    WHERE pg_catalog.current_setting('max_prepared_transactions') <> '0'
    UNION ALL
    SELECT
        'replication slots',
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots)::float8,
        pg_catalog.current_setting('max_replication_slots')::float8,
        'slots',
        'all databases'
    UNION ALL
    SELECT
        'WAL senders',
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication)::float8,
        pg_catalog.current_setting('max_wal_senders')::float8,
        'processes',
        'all standbys'
    UNION ALL
    SELECT
        'WAL kept for a slot',
        pg_catalog.pg_wal_lsn_diff(
            CASE WHEN pg_catalog.pg_is_in_recovery()
                 THEN pg_catalog.pg_last_wal_replay_lsn()
                 ELSE pg_catalog.pg_current_wal_lsn() END,
            k.restart_lsn
        )::float8,
        (SELECT CASE WHEN g.setting::float8 < 0 THEN NULL
                     ELSE g.setting::float8 * 1024 * 1024 END
         FROM pg_catalog.pg_settings g WHERE g.name = 'max_slot_wal_keep_size'),
        'bytes',
        k.slot_name::text || CASE WHEN k.active THEN '' ELSE ' (not in use)' END
    FROM pg_catalog.pg_replication_slots k
    WHERE k.restart_lsn IS NOT NULL
) AS l (name, used, most, unit, of)
WHERE l.used IS NOT NULL
ORDER BY l.used / nullif(l.most, 0) DESC NULLS LAST
LIMIT 100
