-- What a role may and a server keeps, beside what the samplers need: what, fulfilled, what it
-- brings, what cures it.
-- Since: 14
SELECT
    r.what,
    r.fulfilled,
    r.brings,
    r.cure
FROM (
    VALUES
        (
            'all sessions',
            pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
            'who blocks whom, and with which statement',
            'GRANT pg_monitor'
        ),
        (
            'all tables',
            pg_catalog.pg_has_role('pg_read_all_data', 'USAGE'),
            'the integrity scan',
            'GRANT pg_read_all_data'
        ),
        (
            'signals',
            pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'),
            'ends the session that blocks the others, except a superuser''s',
            'GRANT pg_signal_backend'
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
            'archive_mode = on and the archive_command that pgward backup prints'
        )
) AS r (what, fulfilled, brings, cure)
