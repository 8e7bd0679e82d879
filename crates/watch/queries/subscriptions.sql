-- Subscriptions and whether their workers are at work. Since: 14
SELECT
    s.subname::text,
    pg_catalog.bool_or(s.pid IS NOT NULL),
    NULL::bigint,
    pg_catalog.max(s.latest_end_lsn)::text
FROM pg_catalog.pg_stat_subscription s
GROUP BY s.subname
ORDER BY s.subname
LIMIT 100
