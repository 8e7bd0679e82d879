-- What a role may and a server keeps, beside what the samplers need: what, fulfilled, what it
-- brings, what cures it. Settings hidden from this role count as off.
-- Since: 14
WITH me AS (
    SELECT pg_catalog.quote_ident(current_user) AS name, r.rolsuper AS is_super
    FROM pg_catalog.pg_roles r
    WHERE r.rolname = current_user
),
settings AS (
    SELECT s.name, s.setting FROM pg_catalog.pg_settings s
)
SELECT
    r.what,
    coalesce(r.fulfilled, false),
    r.brings,
    r.cure
FROM me, LATERAL (
    VALUES
        (
            'all sessions',
            pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
            'who blocks whom, and with which statement',
            'GRANT pg_monitor TO ' || me.name
        ),
        (
            'all tables',
            pg_catalog.pg_has_role('pg_read_all_data', 'USAGE'),
            'the integrity scan',
            'GRANT pg_read_all_data TO ' || me.name
        ),
        (
            'signals',
            pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'),
            'ends the session that blocks the others, except a superuser''s',
            'GRANT pg_signal_backend TO ' || me.name
        ),
        (
            'reserved connection',
            me.is_super OR (
                coalesce((SELECT setting FROM settings WHERE name = 'reserved_connections'), '0')
                    <> '0'
                AND EXISTS (
                    SELECT FROM pg_catalog.pg_roles p
                    WHERE p.rolname = 'pg_use_reserved_connections'
                      AND pg_catalog.pg_has_role(p.oid, 'USAGE')
                )
            ),
            'pgward status while every other slot is taken',
            CASE WHEN pg_catalog.current_setting('server_version_num')::integer >= 160000
                 THEN 'GRANT pg_use_reserved_connections TO ' || me.name
                      || '; ALTER SYSTEM SET reserved_connections = 3, then a restart'
                 ELSE 'pgward watch, whose sessions stand before the trouble: until '
                      || 'PostgreSQL 15 slots are reserved for superusers alone' END
        ),
        (
            'server log',
            pg_catalog.has_function_privilege(
                'pg_catalog.pg_current_logfile(text)', 'EXECUTE')
            AND pg_catalog.has_function_privilege(
                'pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)', 'EXECUTE'),
            'errors, failed logins, deadlocks, crashes',
            'the GRANT EXECUTE lines of: pgward doctor --rights ' || me.name
        ),
        (
            'log collector',
            (SELECT setting FROM settings WHERE name = 'logging_collector') = 'on',
            'a log that can be read through SQL',
            'ALTER SYSTEM SET logging_collector = on; ALTER SYSTEM SET log_destination = '
                || '''stderr,csvlog'', then a restart'
        ),
        (
            'log_lock_waits',
            (SELECT setting FROM settings WHERE name = 'log_lock_waits') = 'on',
            'waits for locks in the log, also those between two samples',
            'ALTER SYSTEM SET log_lock_waits = on; SELECT pg_reload_conf()'
        ),
        (
            'pg_stat_statements',
            EXISTS (SELECT FROM pg_catalog.pg_extension e
                    WHERE e.extname = 'pg_stat_statements'),
            'which statement became slow, and why',
            'ALTER SYSTEM SET shared_preload_libraries = ''pg_stat_statements'', with what is '
                || 'there already, a restart, then CREATE EXTENSION pg_stat_statements'
        ),
        (
            'track_io_timing',
            (SELECT setting FROM settings WHERE name = 'track_io_timing') = 'on',
            'tells slow storage from a worse plan',
            'ALTER SYSTEM SET track_io_timing = on; SELECT pg_reload_conf()'
        ),
        (
            'DDL log',
            (
                SELECT pg_catalog.count(*) = 2
                FROM pg_catalog.pg_event_trigger
                WHERE
                    evtname IN ('pgward_ddl_command_end', 'pgward_sql_drop')
                    AND evtenabled <> 'D'
            ),
            'who changed the schema, when, in which transaction',
            'pgward install, as a superuser'
        ),
        (
            'checksums',
            pg_catalog.current_setting('data_checksums') = 'on',
            'damage on disk is found when it is read',
            'pg_checksums --enable, with the server stopped'
        ),
        (
            'WAL archive',
            pg_catalog.current_setting('archive_mode') <> 'off',
            'pgward restore, to any moment since a backup',
            'ALTER SYSTEM SET archive_mode = on, a restart, and the archive_command that pgward '
                || 'backup prints'
        )
) AS r (what, fulfilled, brings, cure)
