-- Settings in force for new sessions, those of this session left out. Since: 14
SELECT s.name, coalesce(s.setting, '')
FROM pg_catalog.pg_settings s
WHERE s.source NOT IN ('session', 'client', 'override')
  AND s.name NOT IN ('transaction_isolation', 'transaction_read_only', 'transaction_deferrable')
ORDER BY s.name
