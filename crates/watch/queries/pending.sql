-- Settings that a restart would change. Since: 14
SELECT s.name, pg_catalog.current_setting(s.name)
FROM pg_catalog.pg_settings s
WHERE s.pending_restart
ORDER BY s.name
LIMIT 100
