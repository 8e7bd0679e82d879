-- Constraints of user relations. Since: 14
SELECT
    k.conrelid,
    k.conname::text,
    k.contype::text,
    pg_catalog.pg_get_constraintdef(k.oid),
    k.convalidated,
    fn.nspname::text,
    fc.relname::text
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_class fc ON fc.oid = k.confrelid
LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace
WHERE k.contype IN ('c', 'f', 'p', 'u', 'x')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgward')
  AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY k.conrelid, k.conname
LIMIT 50000
