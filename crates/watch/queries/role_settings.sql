-- Settings of roles and databases: `role NAME in DATABASE: setting`, value. Since: 14
SELECT
    pg_catalog.concat_ws(
        ' ',
        CASE WHEN s.setrole <> 0 THEN 'role ' || pg_catalog.pg_get_userbyid(s.setrole) END,
        CASE WHEN s.setdatabase <> 0 THEN 'database ' || d.datname END
    ) || ': ' || pg_catalog.split_part(c.setting, '=', 1),
    pg_catalog.substr(c.setting, pg_catalog.strpos(c.setting, '=') + 1)
FROM pg_catalog.pg_db_role_setting s
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c (setting)
LIMIT 10000
