-- Settings in force for new sessions: where this session has set one for itself, the value that it
-- would have else; null where the server sets it. Then, where a restart would change it, the value
-- until then. Last, of those that only a restart changes and no command line overrides, the unit and
-- the value as shown. Since: 14
SELECT
    s.name,
    CASE
        WHEN s.source IN ('client', 'override') THEN NULL
        ELSE coalesce(CASE s.source WHEN 'session' THEN s.reset_val ELSE s.setting END, '')
    END,
    CASE WHEN s.pending_restart THEN pg_catalog.current_setting(s.name) END,
    coalesce(s.unit, ''),
    CASE WHEN s.context = 'postmaster' AND s.source <> 'command line'
         THEN pg_catalog.current_setting(s.name) END
FROM pg_catalog.pg_settings s
WHERE (s.source NOT IN ('client', 'override') OR s.pending_restart)
  AND s.name NOT IN ('transaction_isolation', 'transaction_read_only', 'transaction_deferrable')
ORDER BY s.name
