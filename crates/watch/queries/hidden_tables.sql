-- Tables that hold rows and whose statistics pg_stats does not show us: without the right to read
-- them, or with row security. Since: 14
SELECT s.schemaname::text, s.relname::text
FROM pg_catalog.pg_stat_user_tables s
JOIN pg_catalog.pg_class c ON c.oid = s.relid
WHERE s.n_live_tup > 0
  AND s.schemaname <> 'pgward'
  AND (c.relrowsecurity OR NOT pg_catalog.has_table_privilege(s.relid, 'SELECT'))
ORDER BY s.n_live_tup DESC
LIMIT 200
