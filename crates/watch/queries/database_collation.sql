-- The database's own collation, when its library is not the one that built the indexes. Since: 15
SELECT d.datname::text
FROM pg_catalog.pg_database d
WHERE d.datname = pg_catalog.current_database()
  AND d.datcollversion IS NOT NULL
  AND d.datcollversion IS DISTINCT FROM pg_catalog.pg_database_collation_actual_version(d.oid)
