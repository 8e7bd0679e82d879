-- Counters of user tables. Since: 14
SELECT
    s.relid,
    s.schemaname::text,
    s.relname::text,
    s.n_live_tup,
    s.n_dead_tup,
    coalesce(s.seq_scan, 0),
    coalesce(s.seq_tup_read, 0),
    coalesce(s.idx_scan, 0),
    s.n_tup_ins,
    s.n_tup_upd,
    s.n_tup_del,
    greatest(s.last_analyze, s.last_autoanalyze)
FROM pg_catalog.pg_stat_user_tables s
WHERE s.schemaname <> 'pgward'
ORDER BY s.n_live_tup DESC
LIMIT 5000
