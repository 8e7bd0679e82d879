-- Where the WAL stands, how much of it there is, what the archiver did. Since: 14
WITH position AS (
    SELECT CASE WHEN pg_catalog.pg_is_in_recovery()
                THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END AS lsn
)
SELECT
    p.lsn::text,
    pg_catalog.pg_wal_lsn_diff(p.lsn, '0/0')::float8,
    a.archived_count,
    a.failed_count,
    a.last_archived_time,
    a.last_failed_time,
    pg_catalog.current_setting('archive_mode') <> 'off',
    pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size'))::float8
FROM position p, pg_catalog.pg_stat_archiver a
