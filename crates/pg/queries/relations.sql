-- Tables, partitioned tables, materialized and foreign tables with sizes and counters.
-- No size function, no bounds of partitions: those wait behind a queued ALTER TABLE. Since: 14
SELECT
    c.oid,
    n.nspname::text,
    c.relname::text,
    c.relkind::text,
    pg_catalog.pg_get_userbyid(c.relowner)::text,
    c.relfilenode,
    CASE WHEN c.reltuples < 0 THEN NULL
         -- A load that VACUUM counts before its own report comes stands twice in n_live_tup.
         ELSE greatest(
             c.reltuples::float8,
             least(s.n_live_tup, s.n_tup_ins - s.n_tup_del)::float8
         ) END,
    c.relpages::float8 * pg_catalog.current_setting('block_size')::float8,
    coalesce(s.seq_scan, 0),
    coalesce(s.idx_scan, 0),
    coalesce(s.n_tup_ins, 0),
    coalesce(s.n_tup_upd, 0),
    coalesce(s.n_tup_del, 0),
    pn.nspname::text,
    p.relname::text,
    coalesce(pt.partdefid = c.oid, false),
    ARRAY(
        SELECT hn.nspname || '.' || h.relname
        FROM pg_catalog.pg_inherits hi
        JOIN pg_catalog.pg_class h ON h.oid = hi.inhparent
        JOIN pg_catalog.pg_namespace hn ON hn.oid = h.relnamespace
        WHERE hi.inhrelid = c.oid AND NOT c.relispartition
        ORDER BY hi.inhseqno
    ),
    coalesce(i.inhdetachpending, false),
    c.relpersistence = 'u'
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_user_tables s ON s.relid = c.oid
LEFT JOIN pg_catalog.pg_inherits i ON c.relispartition AND i.inhrelid = c.oid
LEFT JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
LEFT JOIN pg_catalog.pg_partitioned_table pt ON pt.partrelid = i.inhparent
LEFT JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'f')
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgward')
  AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY n.nspname, c.relname
LIMIT 20000
