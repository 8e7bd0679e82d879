-- What pgward needs to watch, diagnose and respond. Run once as a superuser.
-- Since: 14
GRANT pg_monitor TO :role;                 -- sessions, statements, settings of all roles
GRANT pg_read_all_data TO :role;           -- the integrity scan reads every table
GRANT pg_signal_backend TO :role;          -- to end the one session that blocks the others
-- The server log, read through SQL where pgward does not run on the server itself:
GRANT EXECUTE ON FUNCTION pg_catalog.pg_current_logfile() TO :role;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_current_logfile(text) TO :role;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_file(text) TO :role;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_file(text, boolean) TO :role;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text, bigint, bigint) TO :role;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text, bigint, bigint, boolean) TO :role;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text, bigint, bigint) TO :role;
GRANT EXECUTE ON FUNCTION
    pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO :role;
-- After "pgward install":
GRANT USAGE ON SCHEMA pgward TO :role;
GRANT SELECT ON ALL TABLES IN SCHEMA pgward TO :role;
