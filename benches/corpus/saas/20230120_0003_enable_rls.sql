ALTER TABLE app.projects ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON app.projects
    USING (tenant_id = app.current_tenant())
    WITH CHECK (tenant_id = app.current_tenant());
ALTER TABLE app.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.users FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON app.users USING (tenant_id = app.current_tenant());
