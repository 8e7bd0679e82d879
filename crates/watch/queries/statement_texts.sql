-- Texts of statements not met before. Since: 14
SELECT DISTINCT ON (s.queryid)
    s.queryid,
    pg_catalog.left(s.query, 2000)
FROM pg_stat_statements(true) s
WHERE s.queryid = ANY ($1)
