CREATE SCHEMA IF NOT EXISTS audit AUTHORIZATION CURRENT_USER;
CREATE TABLE audit.log (
    id bigserial PRIMARY KEY,
    tab regclass NOT NULL,
    op char(1) NOT NULL CHECK (op IN ('I', 'U', 'D')),
    who name NOT NULL DEFAULT session_user,
    at timestamptz NOT NULL DEFAULT transaction_timestamp(),
    old_row jsonb,
    new_row jsonb
);
CREATE FUNCTION audit.record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = audit, pg_temp AS $body$
BEGIN
    INSERT INTO audit.log (tab, op, old_row, new_row)
    VALUES (TG_RELID, left(TG_OP, 1),
            CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
            CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
    RETURN NULL;
END
$body$;
DO $do$
DECLARE t record;
BEGIN
    FOR t IN SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'app' ORDER BY 2 LOOP
        EXECUTE format('CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON %I.%I FOR EACH ROW EXECUTE FUNCTION audit.record()',
                       t.schemaname, t.tablename);
    END LOOP;
END
$do$;
