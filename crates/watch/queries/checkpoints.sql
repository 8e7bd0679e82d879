-- Checkpoints by what asked for them, and their time to sync. Since: 14
SELECT b.checkpoints_timed, b.checkpoints_req, b.checkpoint_sync_time
FROM pg_catalog.pg_stat_bgwriter b
