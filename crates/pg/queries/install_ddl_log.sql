-- The DDL log: event triggers that note what was created, altered and dropped.
-- They never break a command (every error becomes a warning) and never make it wait longer
-- than their own lock_timeout. Superuser only.
-- Since: 14

-- The schema may be of a role that has applied a change first. Its owner could put a trigger on
-- the log, or its own body into a function, and both would run with the installer's rights. So
-- the schema is taken over, and what was made by others under these names is made anew; the
-- journal stays theirs.
DO $do$
DECLARE
    o record;
BEGIN
    FOR o IN
        SELECT r.rolname
        FROM pg_catalog.pg_namespace n
        JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner
        WHERE n.nspname = 'pgward' AND NOT r.rolsuper AND r.rolname <> current_user
    LOOP
        ALTER SCHEMA pgward OWNER TO CURRENT_USER;
        EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA pgward TO %I', o.rolname);
    END LOOP;
    FOR o IN
        SELECT c.relname
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
        WHERE c.relnamespace = 'pgward'::pg_catalog.regnamespace
            AND c.relname IN ('ddl_log', 'definitions')
            AND NOT r.rolsuper AND r.rolname <> current_user
    LOOP
        EXECUTE pg_catalog.format('DROP TABLE pgward.%I', o.relname);
    END LOOP;
    FOR o IN
        SELECT p.oid::pg_catalog.regprocedure AS called
        FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
        WHERE p.pronamespace = 'pgward'::pg_catalog.regnamespace
            AND p.proname IN
                ('redacted', 'remember_relation', 'forget_old', 'log_ddl', 'log_drop')
            AND NOT r.rolsuper AND r.rolname <> current_user
    LOOP
        DROP EVENT TRIGGER IF EXISTS pgward_ddl_command_end;
        DROP EVENT TRIGGER IF EXISTS pgward_sql_drop;
        EXECUTE pg_catalog.format('DROP ROUTINE %s', o.called);
    END LOOP;
END
$do$;

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

-- Nobody but the owner writes them; an earlier README granted more.
DO $do$
DECLARE
    o record;
BEGIN
    FOR o IN
        SELECT DISTINCT c.relname, COALESCE(r.rolname, 'public') AS grantee, r.oid IS NULL AS everybody
        FROM pg_catalog.pg_class c
        CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a
        LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
        WHERE c.relnamespace = 'pgward'::pg_catalog.regnamespace
            AND c.relname IN ('ddl_log', 'definitions')
            AND a.grantee <> c.relowner AND a.privilege_type <> 'SELECT'
    LOOP
        EXECUTE pg_catalog.format(
            'REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON pgward.%I FROM %s',
            o.relname, CASE WHEN o.everybody THEN 'PUBLIC' ELSE pg_catalog.quote_ident(o.grantee) END);
    END LOOP;
END
$do$;

CREATE OR REPLACE FUNCTION pgward.redacted(query text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT pg_catalog.regexp_replace(
        pg_catalog.regexp_replace(
            pg_catalog.left(query, 10240),
            '(password\s+)(?:e|u&)?(''(?:[^'']|'''')*(?:''|$)|''''[^''\s]+''''|\$([a-z_]*)\$.*?(?:\$\3\$|$))',
            '\1''***''', 'gi'),
        '(password\s*=\s*)(''(?:[^'']|'''')*(?:''|$)|[^\s'',;)]+)',
        '\1***', 'gi')
$function$;

CREATE OR REPLACE FUNCTION pgward.remember_relation(relation oid)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $function$
    INSERT INTO pgward.definitions (class_oid, object_oid, schema_name, relation_name, definition)
    SELECT 'pg_catalog.pg_class'::regclass, i.indexrelid, n.nspname, c.relname,
           pg_catalog.pg_get_indexdef(i.indexrelid)
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE i.indrelid = relation
    UNION ALL
    SELECT 'pg_catalog.pg_constraint'::regclass, k.oid, n.nspname, c.relname,
           pg_catalog.pg_get_constraintdef(k.oid)
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE k.conrelid = relation
    UNION ALL
    SELECT 'pg_catalog.pg_trigger'::regclass, t.oid, n.nspname, c.relname,
           pg_catalog.pg_get_triggerdef(t.oid)
    FROM pg_catalog.pg_trigger t
    JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE t.tgrelid = relation AND NOT t.tgisinternal
    UNION ALL
    SELECT 'pg_catalog.pg_statistic_ext'::regclass, e.oid, n.nspname, c.relname,
           pg_catalog.pg_get_statisticsobjdef(e.oid)
    FROM pg_catalog.pg_statistic_ext e
    JOIN pg_catalog.pg_class c ON c.oid = e.stxrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE e.stxrelid = relation
    UNION ALL
    SELECT 'pg_catalog.pg_class'::regclass, c.oid, n.nspname, c.relname,
           pg_catalog.pg_get_viewdef(c.oid)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = relation AND c.relkind IN ('v', 'm')
    ON CONFLICT (class_oid, object_oid) DO UPDATE
    SET schema_name = EXCLUDED.schema_name,
        relation_name = EXCLUDED.relation_name,
        definition = EXCLUDED.definition
    WHERE (definitions.schema_name, definitions.relation_name, definitions.definition)
        IS DISTINCT FROM (EXCLUDED.schema_name, EXCLUDED.relation_name, EXCLUDED.definition)
$function$;

-- Keeps the newest 100,000 rows, about 100 MB at worst; looked after once in 1,000 rows.
CREATE OR REPLACE FUNCTION pgward.forget_old(newest bigint)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $function$
    DELETE FROM pgward.ddl_log
    WHERE id IN (
        SELECT id
        FROM pgward.ddl_log
        WHERE id <= newest - 100000
        ORDER BY id
        LIMIT 2000
        FOR UPDATE SKIP LOCKED)
$function$;

CREATE OR REPLACE FUNCTION pgward.log_ddl()
RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '100ms'
AS $function$
DECLARE
    c record;
    newest bigint;
BEGIN
    FOR c IN
        SELECT d.classid, d.objid, d.object_type, d.object_identity, d.command_tag,
               COALESCE(i.indrelid, k.conrelid, t.tgrelid, p.polrelid, e.stxrelid,
                        CASE WHEN d.classid = 'pg_catalog.pg_class'::regclass THEN d.objid END
               ) AS relation_oid
        FROM pg_catalog.pg_event_trigger_ddl_commands() d
        LEFT JOIN pg_catalog.pg_index i
            ON d.classid = 'pg_catalog.pg_class'::regclass AND i.indexrelid = d.objid
        LEFT JOIN pg_catalog.pg_constraint k
            ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
        LEFT JOIN pg_catalog.pg_trigger t
            ON d.classid = 'pg_catalog.pg_trigger'::regclass AND t.oid = d.objid
        LEFT JOIN pg_catalog.pg_policy p
            ON d.classid = 'pg_catalog.pg_policy'::regclass AND p.oid = d.objid
        LEFT JOIN pg_catalog.pg_statistic_ext e
            ON d.classid = 'pg_catalog.pg_statistic_ext'::regclass AND e.oid = d.objid
        WHERE COALESCE(d.schema_name, '') !~ '^(pgward$|pg_temp|pg_toast)'
            AND d.object_identity IS DISTINCT FROM 'pgward'
        LIMIT 200
    LOOP
        INSERT INTO pgward.ddl_log (
            at, pid, role, application, client, command, object_kind, identity,
            schema_name, relation_name, dropped, xid, lsn, statement)
        SELECT pg_catalog.clock_timestamp(), pg_catalog.pg_backend_pid(), session_user,
               pg_catalog.current_setting('application_name'),
               COALESCE(pg_catalog.host(pg_catalog.inet_client_addr()), 'local'),
               c.command_tag, c.object_type, COALESCE(c.object_identity, ''), n.nspname, r.relname,
               false, pg_catalog.pg_current_xact_id()::text::bigint,
               pg_catalog.pg_current_wal_insert_lsn(),
               pgward.redacted(pg_catalog.current_query())
        FROM (SELECT 1) one
        LEFT JOIN pg_catalog.pg_class r ON r.oid = c.relation_oid
        LEFT JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
        RETURNING id INTO newest;
        IF c.relation_oid IS NOT NULL THEN
            PERFORM pgward.remember_relation(c.relation_oid);
        END IF;
        IF newest % 1000 = 0 THEN
            PERFORM pgward.forget_old(newest);
        END IF;
    END LOOP;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'pgward: DDL not logged: %', SQLERRM;
END
$function$;

CREATE OR REPLACE FUNCTION pgward.log_drop()
RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '100ms'
AS $function$
DECLARE
    newest bigint;
BEGIN
    WITH dropped AS (
        SELECT d.classid, d.objid, d.objsubid, d.object_type, d.object_identity, d.original,
               COALESCE(k.schema_name, CASE
                   WHEN d.object_type IN ('table', 'foreign table', 'view', 'materialized view',
                       'sequence') THEN d.schema_name
                   WHEN pg_catalog.cardinality(d.address_names) = 3 THEN d.address_names[1]
               END) AS schema_name,
               COALESCE(k.relation_name, CASE
                   WHEN d.object_type IN ('table', 'foreign table', 'view', 'materialized view',
                       'sequence') THEN d.object_name
                   WHEN pg_catalog.cardinality(d.address_names) = 3 THEN d.address_names[2]
               END) AS relation_name,
               k.definition,
               -- Since 18 a column's NOT NULL is a constraint; it goes with the column or table,
               -- and is no object that anybody misses.
               NOT d.original AND d.classid = 'pg_catalog.pg_constraint'::regclass
                   AND COALESCE(k.definition, '') LIKE 'NOT NULL %' AS is_not_null
        FROM pg_catalog.pg_event_trigger_dropped_objects() d
        LEFT JOIN pgward.definitions k
            ON k.class_oid = d.classid AND k.object_oid = d.objid AND d.objsubid = 0
        WHERE NOT d.is_temporary
            AND COALESCE(d.schema_name, '') !~ '^(pgward$|pg_temp|pg_toast)'
            AND d.object_type NOT IN ('type', 'toast table')
            AND d.object_identity IS DISTINCT FROM 'pgward'
        ORDER BY d.object_type <> 'table', NOT d.original, d.object_type, d.object_identity
        LIMIT 200
    ), forgotten AS (
        DELETE FROM pgward.definitions k
        USING dropped d
        WHERE k.class_oid = d.classid AND k.object_oid = d.objid AND d.objsubid = 0
    ), logged AS (
        INSERT INTO pgward.ddl_log (
            at, pid, role, application, client, command, object_kind, identity,
            schema_name, relation_name, dropped, old_definition, xid, lsn, statement)
        SELECT pg_catalog.clock_timestamp(), pg_catalog.pg_backend_pid(), session_user,
               pg_catalog.current_setting('application_name'),
               COALESCE(pg_catalog.host(pg_catalog.inet_client_addr()), 'local'),
               TG_TAG, d.object_type, COALESCE(d.object_identity, ''), d.schema_name,
               d.relation_name, true, d.definition,
               pg_catalog.pg_current_xact_id()::text::bigint,
               pg_catalog.pg_current_wal_insert_lsn(),
               pgward.redacted(pg_catalog.current_query())
        FROM dropped d
        WHERE NOT d.is_not_null
        RETURNING id
    )
    SELECT pg_catalog.max(id) INTO newest FROM logged;
    IF newest % 1000 = 0 THEN
        PERFORM pgward.forget_old(newest);
    END IF;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'pgward: drop not logged: %', SQLERRM;
END
$function$;

DO $do$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_event_trigger WHERE evtname = 'pgward_ddl_command_end')
    THEN
        CREATE EVENT TRIGGER pgward_ddl_command_end ON ddl_command_end
            EXECUTE FUNCTION pgward.log_ddl();
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_event_trigger WHERE evtname = 'pgward_sql_drop')
    THEN
        CREATE EVENT TRIGGER pgward_sql_drop ON sql_drop
            EXECUTE FUNCTION pgward.log_drop();
    END IF;
END
$do$;

-- What exists already, so that its definition is known when it is dropped.
SELECT pgward.remember_relation(c.oid)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND n.nspname !~ '^(pgward$|pg_|information_schema$)';
