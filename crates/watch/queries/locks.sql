-- Locks of some sessions: what they wait for, and which user tables they hold; a TOAST table is its
-- table's. Since: 14
SELECT
    l.pid,
    l.locktype,
    l.mode,
    l.granted,
    coalesce(o.nspname, n.nspname)::text,
    coalesce(o.relname, c.relname)::text,
    l.waitstart
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_class c
  ON c.oid = l.relation
 AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                   WHERE d.datname = pg_catalog.current_database())
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT on_.nspname, oc.relname
    FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_class oc ON oc.oid = d.refobjid
    JOIN pg_catalog.pg_namespace on_ ON on_.oid = oc.relnamespace
    WHERE c.relkind = 't'
      AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.objid = c.oid
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.deptype = 'i'
    LIMIT 1
) o ON true
WHERE l.pid = ANY ($1)
  AND (NOT l.granted
       OR (c.relkind IN ('r', 'p', 'm')
           AND n.nspname NOT IN ('pg_catalog', 'information_schema'))
       OR (c.relkind = 't' AND o.nspname NOT IN ('pg_catalog', 'information_schema')))
LIMIT 20001
