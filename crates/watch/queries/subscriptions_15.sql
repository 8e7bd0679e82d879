-- Subscriptions, whether their workers are at work, and how often they failed. Since: 15
SELECT
    s.subname::text,
    pg_catalog.bool_or(s.pid IS NOT NULL),
    pg_catalog.max(e.apply_error_count + e.sync_error_count),
    pg_catalog.max(s.latest_end_lsn)::text
FROM pg_catalog.pg_stat_subscription s
LEFT JOIN pg_catalog.pg_stat_subscription_stats e ON e.subid = s.subid
GROUP BY s.subname
ORDER BY s.subname
LIMIT 100
