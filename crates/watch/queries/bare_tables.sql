-- Tables that hold rows, or whose rows are read (an upgrade forgets how many there are), and that this
-- role may read: how many there are, and each that is without statistics of any column; one that has some
-- stands for all where none is without. Table by table, since the view asks for the right to each
-- column before it looks whose it is. Since: 14
SELECT
    t.n_tables,
    t.schemaname::text,
    t.relname::text,
    t.is_bare
FROM (
    SELECT
        s.schemaname,
        s.relname,
        k.is_known IS NULL AS is_bare,
        pg_catalog.count(*) OVER () AS n_tables,
        pg_catalog.row_number() OVER (ORDER BY k.is_known NULLS FIRST, s.n_live_tup DESC) AS place
    FROM pg_catalog.pg_stat_user_tables s
    JOIN pg_catalog.pg_class c ON c.oid = s.relid
    LEFT JOIN LATERAL (
        SELECT true AS is_known
        FROM pg_catalog.pg_stats p
        WHERE p.schemaname = s.schemaname AND p.tablename = s.relname
        LIMIT 1
    ) k ON true
    WHERE (s.n_live_tup > 0 OR s.seq_tup_read > 0 OR s.idx_tup_fetch > 0)
      AND NOT c.relrowsecurity
      AND s.schemaname <> 'pgward'
      AND pg_catalog.has_table_privilege(s.relid, 'SELECT')
) t
WHERE t.is_bare OR t.place = 1
ORDER BY t.place
LIMIT 200
