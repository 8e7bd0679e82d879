-- What publications send: all tables, those of a schema, or single ones, some of them with a list
-- of columns. From the catalog alone: the function behind pg_publication_tables opens the tables
-- and waits for DDL. Since: 15
SELECT p.pubname::text, 'all', '', ''
FROM pg_catalog.pg_publication p
WHERE p.puballtables
UNION ALL
SELECT p.pubname::text, 'schema', n.nspname::text, ''
FROM pg_catalog.pg_publication p
JOIN pg_catalog.pg_publication_namespace s ON s.pnpubid = p.oid
JOIN pg_catalog.pg_namespace n ON n.oid = s.pnnspid
UNION ALL
SELECT
    p.pubname::text,
    CASE WHEN r.prattrs IS NULL THEN 'table' ELSE 'listed' END,
    n.nspname::text,
    c.relname::text
FROM pg_catalog.pg_publication p
JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid
JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LIMIT 20000
