-- Roles with what they may do and what they are members of. Since: 14
SELECT
    r.rolname::text,
    pg_catalog.concat_ws(
        ' ',
        CASE WHEN r.rolsuper THEN 'superuser' END,
        CASE WHEN r.rolcreaterole THEN 'createrole' END,
        CASE WHEN r.rolcreatedb THEN 'createdb' END,
        CASE WHEN r.rolreplication THEN 'replication' END,
        CASE WHEN r.rolbypassrls THEN 'bypassrls' END,
        CASE WHEN r.rolcanlogin THEN 'login' END,
        'member of ' || (
            SELECT pg_catalog.string_agg(g.rolname, ',' ORDER BY g.rolname)
            FROM pg_catalog.pg_auth_members m
            JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
            WHERE m.member = r.oid
        )
    )
FROM pg_catalog.pg_roles r
ORDER BY r.rolname
LIMIT 10000
