-- Collations whose library is not the one that built the indexes, and extensions whose version is
-- not the installed one: kind, what. Since: 14
SELECT
    'collation',
    coll.collname::text
FROM pg_catalog.pg_collation coll
WHERE coll.collversion IS NOT NULL
  AND coll.oid IN (
      SELECT a.attcollation
      FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
      WHERE c.relkind = 'i' AND a.attcollation <> 0
  )
  AND coll.collversion IS DISTINCT FROM pg_catalog.pg_collation_actual_version(coll.oid)
UNION ALL
SELECT
    'extension',
    pg_catalog.format('%s %s %s', e.extname, e.extversion, coalesce(v.default_version, 'absent'))
FROM pg_catalog.pg_extension e
LEFT JOIN pg_catalog.pg_available_extensions v ON v.name = e.extname
WHERE v.default_version IS DISTINCT FROM e.extversion
LIMIT 200
