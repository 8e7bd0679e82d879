-- Every trace of pgward in this database.
-- Since: 14
DROP EVENT TRIGGER IF EXISTS pgward_ddl_command_end;
DROP EVENT TRIGGER IF EXISTS pgward_sql_drop;
DROP SCHEMA IF EXISTS pgward CASCADE;
