-- What the role that deploys needs after "pgward install", beside its own tables. Run once as a
-- superuser. The log of DDL is not its to write: that tells what it did.
-- Since: 14
GRANT USAGE ON SCHEMA pgward TO :role;
GRANT SELECT, INSERT, UPDATE ON pgward.journal, pgward.changes TO :role;
GRANT pg_read_all_stats TO :role;          -- to see who would wait, and which statements run
