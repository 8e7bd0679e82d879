-- Columns that take values from a sequence, and the columns of foreign keys that refer to them
-- and hold less; not those that a partition has from its table. The $1 nearest to their limit come
-- first; then the $1 keys furthest behind the rows of their table: they have given fewer numbers.
-- One that begins anew (CYCLE) before its column is full is told from the others.
-- The last value is NULL without the right to see it. The planner is not shown how many: it would
-- plan this each time anew, at many times the cost of running it. Since: 14
WITH fed AS (
    -- Owned by the column, or named in its DEFAULT.
    SELECT d.objid AS seqrelid, d.refobjid AS attrelid, d.refobjsubid AS attnum
    FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass
      AND d.refclassid = 'pg_catalog.pg_class'::regclass
      AND d.deptype IN ('a', 'i')
      AND d.refobjsubid > 0
    UNION
    SELECT d.refobjid, ad.adrelid, ad.adnum
    FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_attrdef ad ON ad.oid = d.objid
    WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass
      AND d.refclassid = 'pg_catalog.pg_class'::regclass
      AND d.refobjsubid = 0
),
keys AS (
    SELECT
        a.attrelid,
        a.attnum,
        a.atttypid,
        q.seqrelid,
        CASE
            WHEN pg_catalog.has_sequence_privilege(q.seqrelid, 'SELECT, USAGE')
            THEN pg_catalog.pg_sequence_last_value(q.seqrelid)
        END AS last_value,
        q.seqmax,
        q.seqcycle
    FROM pg_catalog.pg_sequence q
    JOIN fed f ON f.seqrelid = q.seqrelid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = f.attrelid AND a.attnum = f.attnum
    WHERE q.seqincrement > 0
),
columns AS (
    SELECT
        k.attrelid, k.attnum, k.atttypid, k.seqrelid, k.last_value, k.seqmax, k.seqcycle,
        NULL::oid AS refers_to
    FROM keys k
    UNION ALL
    SELECT
        f.conrelid, a.attnum, a.atttypid, k.seqrelid, k.last_value, k.seqmax, k.seqcycle, k.attrelid
    FROM keys k
    JOIN pg_catalog.pg_constraint f
      ON f.contype = 'f' AND f.confrelid = k.attrelid AND f.confkey = ARRAY[k.attnum]
    JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
),
limits AS (
    SELECT
        c.*,
        CASE c.atttypid
            WHEN 'pg_catalog.int2'::regtype THEN 32767
            WHEN 'pg_catalog.int4'::regtype THEN 2147483647
            ELSE 9223372036854775807
        END AS type_limit
    FROM columns c
    WHERE c.last_value IS NOT NULL
      AND c.atttypid IN (
          'pg_catalog.int2'::regtype, 'pg_catalog.int4'::regtype, 'pg_catalog.int8'::regtype
      )
),
ranked AS (
    SELECT
        l.*,
        l.seqcycle AND l.seqmax <= l.type_limit AS begins_anew,
        CASE
            WHEN l.refers_to IS NULL THEN l.last_value::float8 / least(l.seqmax, l.type_limit)
            ELSE l.last_value::float8 / l.type_limit
        END AS used,
        CASE
            WHEN l.refers_to IS NOT NULL THEN 0
            -- Rows of a partitioned table are counted in its partitions.
            WHEN t.relkind = 'p' THEN (
                SELECT coalesce(pg_catalog.sum(greatest(p.reltuples, 0)), 0)
                FROM pg_catalog.pg_inherits i
                JOIN pg_catalog.pg_class p ON p.oid = i.inhrelid
                WHERE i.inhparent = t.oid
            )
            ELSE t.reltuples
        END - l.last_value AS behind
    FROM limits l
    JOIN pg_catalog.pg_class t ON t.oid = l.attrelid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = l.attrelid AND a.attnum = l.attnum
    WHERE NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_inherits i
        JOIN limits p ON p.attrelid = i.inhparent
        JOIN pg_catalog.pg_attribute pa ON pa.attrelid = p.attrelid AND pa.attnum = p.attnum
        WHERE i.inhrelid = l.attrelid AND t.relispartition AND pa.attname = a.attname
    )
),
nearest AS (
    SELECT r.* FROM ranked r ORDER BY r.used DESC LIMIT (SELECT $1::bigint)
),
behind AS (
    SELECT r.*
    FROM ranked r
    WHERE r.behind > 0
      AND NOT EXISTS (
          SELECT
          FROM nearest n
          WHERE n.attrelid = r.attrelid AND n.attnum = r.attnum AND n.seqrelid = r.seqrelid
      )
    ORDER BY r.behind DESC
    LIMIT (SELECT $1::bigint)
),
listed AS (
    SELECT n.*, 1 AS part FROM nearest n
    UNION ALL
    SELECT b.*, 2 FROM behind b
)
SELECT
    tn.nspname::text,
    t.relname::text,
    a.attname::text,
    pg_catalog.format_type(l.atttypid, NULL),
    sn.nspname::text,
    s.relname::text,
    l.last_value,
    CASE WHEN l.refers_to IS NULL THEN least(l.seqmax, l.type_limit) ELSE l.type_limit END,
    l.type_limit,
    rn.nspname::text,
    r.relname::text,
    l.begins_anew
FROM listed l
JOIN pg_catalog.pg_class t ON t.oid = l.attrelid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = l.attrelid AND a.attnum = l.attnum
JOIN pg_catalog.pg_class s ON s.oid = l.seqrelid
JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
LEFT JOIN pg_catalog.pg_class r ON r.oid = l.refers_to
LEFT JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
ORDER BY l.part, l.used DESC
