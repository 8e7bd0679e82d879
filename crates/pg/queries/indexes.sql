-- Indexes of user relations with the text that creates them again. Since: 14
SELECT
    i.indrelid,
    c.relname::text,
    pg_catalog.pg_get_indexdef(i.indexrelid),
    ARRAY(
        SELECT pg_catalog.pg_get_indexdef(i.indexrelid, k, true)
        FROM pg_catalog.generate_series(1, i.indnkeyatts) AS k
    ),
    i.indisunique,
    i.indisprimary,
    i.indisvalid,
    EXISTS (
        SELECT FROM pg_catalog.pg_constraint k
        WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
    ),
    coalesce(s.idx_scan, 0),
    c.relpages::float8 * pg_catalog.current_setting('block_size')::float8
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgward')
  AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY i.indrelid, c.relname
LIMIT 50000
