-- Who keeps row versions of this database from removal, the oldest first: sessions, slots,
-- prepared transactions, standbys. A vacuum keeps nobody's rows, a walsender its standby's; a
-- logical slot keeps rows of the system catalogs, those of every database.
-- Since: 14
SELECT h.kind, h.name, h.pid, h.role, h.age_xids, h.since, h.state
FROM (
    SELECT
        'session' AS kind,
        coalesce(nullif(a.application_name, ''), a.backend_type, '') AS name,
        a.pid,
        coalesce(a.usename::text, '') AS role,
        greatest(
            pg_catalog.age(a.backend_xmin), pg_catalog.age(a.backend_xid)
        )::bigint AS age_xids,
        a.xact_start AS since,
        coalesce(a.state, '') AS state
    FROM pg_catalog.pg_stat_activity a
    WHERE coalesce(a.backend_xmin, a.backend_xid) IS NOT NULL
      AND a.pid <> pg_catalog.pg_backend_pid()
      AND a.backend_type NOT IN ('autovacuum worker', 'walsender')
      AND a.query !~* '^\s*vacuum'
      AND (a.datname IS NULL OR a.datname = pg_catalog.current_database())
    UNION ALL
    SELECT
        'slot',
        s.slot_name::text,
        coalesce(s.active_pid, 0),
        '',
        pg_catalog.age(s.xmin)::bigint,
        NULL,
        CASE WHEN s.active THEN 'active' ELSE 'inactive' END
    FROM pg_catalog.pg_replication_slots s
    WHERE s.xmin IS NOT NULL
    UNION ALL
    (
        SELECT
            'catalog_slot',
            s.slot_name::text,
            coalesce(s.active_pid, 0),
            '',
            pg_catalog.age(s.catalog_xmin)::bigint,
            NULL,
            CASE WHEN s.active THEN 'active' ELSE 'inactive' END
        FROM pg_catalog.pg_replication_slots s
        WHERE s.catalog_xmin IS NOT NULL
        ORDER BY 5 DESC
        LIMIT 5
    )
    UNION ALL
    SELECT 'prepared', p.gid, 0, p.owner::text, pg_catalog.age(p.transaction)::bigint, p.prepared, ''
    FROM pg_catalog.pg_prepared_xacts p
    WHERE p.database = pg_catalog.current_database()
    UNION ALL
    SELECT
        'standby',
        r.application_name,
        r.pid,
        coalesce(r.usename::text, ''),
        pg_catalog.age(r.backend_xmin)::bigint,
        NULL,
        coalesce(r.state, '')
    FROM pg_catalog.pg_stat_replication r
    WHERE r.backend_xmin IS NOT NULL
) AS h
ORDER BY h.age_xids DESC NULLS LAST
LIMIT 20
