-- Replication slots and the WAL they keep. Since: 14
WITH position AS (
    SELECT CASE WHEN pg_catalog.pg_is_in_recovery()
                THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END AS lsn
)
SELECT
    s.slot_name::text,
    s.slot_type,
    s.active,
    s.restart_lsn::text,
    coalesce(pg_catalog.pg_wal_lsn_diff(p.lsn, s.restart_lsn), 0)::float8,
    coalesce(s.wal_status, '')
FROM pg_catalog.pg_replication_slots s, position p
WHERE NOT s.temporary
ORDER BY 5 DESC
LIMIT 100
