DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'saas_app') THEN
        CREATE ROLE saas_app NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'saas_readonly') THEN
        CREATE ROLE saas_readonly NOLOGIN;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA app TO saas_app, saas_readonly;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA app TO saas_app;
GRANT SELECT ON ALL TABLES IN SCHEMA app TO saas_readonly;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA app TO saas_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO saas_readonly;
