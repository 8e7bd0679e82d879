DO $$
DECLARE
    tbl text;
BEGIN
    FOREACH tbl IN ARRAY ARRAY['projects', 'tasks'] LOOP
        EXECUTE 'ALTER TABLE app.' || quote_ident(tbl) || ' FORCE ROW LEVEL SECURITY';
        EXECUTE format('DROP POLICY IF EXISTS tenant_isolation ON app.%I', tbl);
        EXECUTE format('CREATE POLICY tenant_isolation ON app.%I AS PERMISSIVE FOR ALL TO saas_app USING (tenant_id = app.current_tenant())', tbl);
    END LOOP;
END
$$;
