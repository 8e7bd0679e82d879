-- Runs of pg_cron's jobs after the last one known, oldest first; none where there is no pg_cron.
-- Since: 14
SELECT
    d.runid,
    d.start_time,
    d.jobid,
    coalesce(d.username::text, ''),
    pg_catalog.left(coalesce(d.command, ''), 200)
FROM cron.job_run_details d
WHERE d.runid > $1 AND d.start_time IS NOT NULL
ORDER BY d.runid
LIMIT 100
