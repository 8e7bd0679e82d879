-- Settings in force for new sessions: where this session has set one for itself, the value that it
-- would have else. Since: 14
SELECT
    s.name,
    coalesce(CASE s.source WHEN 'session' THEN s.reset_val ELSE s.setting END, '')
FROM pg_catalog.pg_settings s
WHERE s.source NOT IN ('client', 'override')
  AND s.name NOT IN ('transaction_isolation', 'transaction_read_only', 'transaction_deferrable')
ORDER BY s.name
