-- Who follows this server, and how far behind; a stage that a standby does not report is as far as
-- the one before it. Who replays nothing (pg_receivewal) flushes whole segments: what it has written
-- counts. A base backup and the stream beside it follow nobody, a standby that has just connected not
-- yet. Since: 14
WITH position AS (
    SELECT CASE WHEN pg_catalog.pg_is_in_recovery()
                THEN pg_catalog.pg_last_wal_receive_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END AS lsn
)
SELECT
    r.application_name,
    coalesce(r.state, ''),
    coalesce(r.sync_state, ''),
    coalesce(pg_catalog.pg_wal_lsn_diff(p.lsn, r.sent_lsn), 0)::float8,
    coalesce(pg_catalog.pg_wal_lsn_diff(p.lsn, coalesce(
        CASE WHEN r.replay_lsn IS NULL AND r.sync_state = 'async'
             THEN r.write_lsn ELSE r.flush_lsn END, r.sent_lsn
    )), 0)::float8,
    coalesce(
        pg_catalog.pg_wal_lsn_diff(p.lsn, coalesce(r.replay_lsn, r.write_lsn, r.sent_lsn)), 0
    )::float8
FROM pg_catalog.pg_stat_replication r, position p
WHERE (r.state IS NULL OR (r.state <> 'backup' AND r.sent_lsn IS NOT NULL))
  AND NOT (r.replay_lsn IS NULL AND EXISTS (
      SELECT FROM pg_catalog.pg_replication_slots s WHERE s.active_pid = r.pid AND s.temporary
  ))
ORDER BY r.pid
LIMIT 100
