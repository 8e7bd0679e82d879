-- Owner and rights of tables, views, sequences, schemas and functions: kind, name, owner and ACL
-- as the server writes it. Functions of extensions only where rights were set. Tables and
-- functions that came with the server have OIDs below 16384 (manual, System Catalog Initial Data):
-- they are found by their schema too, but only after looking at all of them. Since: 14
SELECT
    r.name,
    r.rights
FROM (
    SELECT
        CASE c.relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END
        || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name,
        pg_catalog.pg_get_userbyid(c.relowner) || ' '
        || coalesce(c.relacl, pg_catalog.acldefault(
            CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))::text AS rights
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND c.oid >= 16384
      AND n.nspname !~ '^(pg_|information_schema$|pgward$)'
    UNION ALL
    SELECT
        'schema ' || pg_catalog.quote_ident(n.nspname),
        pg_catalog.pg_get_userbyid(n.nspowner) || ' '
        || coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))::text
    FROM pg_catalog.pg_namespace n
    WHERE n.nspname !~ '^(pg_|information_schema$|pgward$)'
    UNION ALL
    SELECT
        'function ' || p.oid::pg_catalog.regprocedure::text,
        pg_catalog.pg_get_userbyid(p.proowner) || ' '
        || coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))::text
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^(pg_|information_schema$|pgward$)'
      AND p.oid >= 16384
      AND (
          p.proacl IS NOT NULL
          OR NOT EXISTS (
              SELECT FROM pg_catalog.pg_depend d
              WHERE d.classid = 'pg_catalog.pg_proc'::regclass
                AND d.objid = p.oid
                AND d.deptype = 'e'
          )
      )
) r
ORDER BY r.name LIKE 'function %', r.name
LIMIT 20001
