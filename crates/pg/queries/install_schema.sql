-- Everything pgward keeps in a guarded database. Idempotent.
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

CREATE TABLE IF NOT EXISTS pgward.ddl_log (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL,
    pid             integer NOT NULL,
    role            text NOT NULL,
    application     text NOT NULL,
    client          text NOT NULL,
    command         text NOT NULL,
    object_kind     text NOT NULL,
    identity        text NOT NULL,
    schema_name     text,
    relation_name   text,
    dropped         boolean NOT NULL,
    old_definition  text,
    xid             bigint,
    lsn             pg_lsn,
    statement       text NOT NULL
);

-- The latest definition of what cannot be read any more once it is dropped.
CREATE TABLE IF NOT EXISTS pgward.definitions (
    class_oid      oid NOT NULL,
    object_oid     oid NOT NULL,
    schema_name    text,
    relation_name  text,
    definition     text NOT NULL,
    PRIMARY KEY (class_oid, object_oid)
);
