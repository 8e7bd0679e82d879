-- Where the WAL stands, what the archiver did, and what slots hold back. Since: 14
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
    (SELECT pg_catalog.max(pg_catalog.pg_wal_lsn_diff(p.lsn, s.restart_lsn))::float8
     FROM pg_catalog.pg_replication_slots s)
FROM position p, pg_catalog.pg_stat_archiver a
