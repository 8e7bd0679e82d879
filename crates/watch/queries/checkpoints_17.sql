-- Checkpoints by what asked for them, and their time to sync. Since: 17
SELECT c.num_timed, c.num_requested, c.sync_time
FROM pg_catalog.pg_stat_checkpointer c
