-- Views, materialized ones too, functions, sequences, triggers and policies with their texts and the relations
-- they use. Since: 14
WITH skipped AS (
    SELECT n.oid
    FROM pg_catalog.pg_namespace n
    WHERE n.nspname IN ('pg_catalog', 'information_schema', 'pgward')
       OR n.nspname ~ '^pg_(toast|temp)'
)
SELECT CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END,
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
       pg_catalog.pg_get_viewdef(c.oid),
       ARRAY(
           SELECT DISTINCT un.nspname || '.' || u.relname
           FROM pg_catalog.pg_rewrite r
           JOIN pg_catalog.pg_depend d
             ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
           JOIN pg_catalog.pg_class u
             ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND u.oid = d.refobjid
           JOIN pg_catalog.pg_namespace un ON un.oid = u.relnamespace
           WHERE r.ev_class = c.oid AND u.oid <> c.oid
       )
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND n.oid NOT IN (SELECT oid FROM skipped)
UNION ALL
SELECT 'sequence', pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
       pg_catalog.format_type(q.seqtypid, NULL),
       ARRAY[]::text[]
FROM pg_catalog.pg_sequence q
JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND n.oid NOT IN (SELECT oid FROM skipped)
UNION ALL
SELECT 'function',
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname)
           || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')',
       pg_catalog.pg_get_functiondef(p.oid),
       ARRAY[]::text[]
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind IN ('f', 'p')
  AND n.oid NOT IN (SELECT oid FROM skipped)
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
        AND d.objid = p.oid AND d.deptype = 'e'
  )
UNION ALL
SELECT 'trigger', t.tgname || ' on ' || t.tgrelid::pg_catalog.regclass::text,
       pg_catalog.pg_get_triggerdef(t.oid) || ' enabled ' || t.tgenabled::text,
       ARRAY[n.nspname || '.' || c.relname]
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND n.oid NOT IN (SELECT oid FROM skipped)
ORDER BY 1, 2
LIMIT 50000
