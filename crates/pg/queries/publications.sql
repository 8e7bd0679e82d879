-- What publications send: all tables, or single ones. From the catalog alone: the function behind
-- pg_publication_tables opens the tables and waits for DDL. Since: 14
SELECT p.pubname::text, 'all', '', ''
FROM pg_catalog.pg_publication p
WHERE p.puballtables
UNION ALL
SELECT p.pubname::text, 'table', n.nspname::text, c.relname::text
FROM pg_catalog.pg_publication p
JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid
JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LIMIT 20000
