-- Counters of user tables, and the file of each: TRUNCATE gives it a new one, of no pages and of
-- rows unknown (-1). Since: 14
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
    greatest(s.last_analyze, s.last_autoanalyze),
    c.relfilenode,
    c.relpages,
    c.relpages = 0 AND c.reltuples < 0,
    s.vacuum_count + s.autovacuum_count,
    s.n_mod_since_analyze,
    c.reltuples,
    c.xmin::text
FROM pg_catalog.pg_stat_user_tables s
JOIN pg_catalog.pg_class c ON c.oid = s.relid
WHERE s.schemaname <> 'pgward'
ORDER BY s.n_live_tup DESC
LIMIT 5000
