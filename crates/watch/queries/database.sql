-- Counters of this database and the connections of the whole cluster. Since: 14
SELECT
    d.xact_commit,
    d.xact_rollback,
    d.blks_read,
    d.blks_hit,
    d.tup_returned,
    d.tup_updated,
    d.tup_deleted,
    d.temp_bytes,
    d.deadlocks,
    d.checksum_failures,
    (SELECT pg_catalog.sum(numbackends)::bigint FROM pg_catalog.pg_stat_database),
    pg_catalog.current_setting('max_connections')::bigint,
    CASE WHEN pg_catalog.current_setting('track_io_timing')::boolean THEN d.blk_read_time END,
    pg_catalog.current_setting('max_connections')::bigint
        - pg_catalog.current_setting('superuser_reserved_connections')::bigint
        - coalesce(nullif(pg_catalog.current_setting('reserved_connections', true), ''), '0')::bigint
FROM pg_catalog.pg_stat_database d
WHERE d.datname = pg_catalog.current_database()
