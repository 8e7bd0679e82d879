-- What a change that goes through pgward needs: the schema and its journal. Idempotent.
-- Since: 14
CREATE SCHEMA IF NOT EXISTS pgward;
COMMENT ON SCHEMA pgward IS 'Kept by pgward; "pgward uninstall" removes every trace of it.';

CREATE TABLE IF NOT EXISTS pgward.changes (
    change_id  text PRIMARY KEY,
    state      text NOT NULL CHECK (state IN ('refused', 'applied', 'undone')),
    change     jsonb NOT NULL,
    report     jsonb NOT NULL,
    role       text NOT NULL DEFAULT session_user,
    at         timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

CREATE TABLE IF NOT EXISTS pgward.journal (
    change_id      text NOT NULL,
    run            integer NOT NULL,
    step           integer NOT NULL,
    statement      text NOT NULL,
    transactional  boolean NOT NULL,
    undo           jsonb NOT NULL,
    state          text NOT NULL CHECK (state IN ('intended', 'done', 'failed', 'undone')),
    intended_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    ended_at       timestamptz,
    n_rows         bigint,
    error          text,
    role           text NOT NULL DEFAULT session_user,
    application    text NOT NULL DEFAULT pg_catalog.current_setting('application_name'),
    PRIMARY KEY (change_id, run, step)
);
