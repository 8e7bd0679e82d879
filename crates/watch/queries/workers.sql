-- The parallel workers of these backends ($1), as the kernel knows them. Since: 14
SELECT
    a.leader_pid,
    a.pid
FROM pg_catalog.pg_stat_activity a
WHERE a.leader_pid = ANY ($1)
LIMIT 1000
