CREATE TABLE app.tasks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES app.tenants (id) ON DELETE CASCADE,
    project_id bigint NOT NULL REFERENCES app.projects (id),
    assignee integer REFERENCES app.users (id),
    title text NOT NULL,
    done boolean NOT NULL DEFAULT false,
    position integer,
    CONSTRAINT tasks_title_len CHECK (length(title) <= 500)
);
ALTER TABLE app.tasks ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON app.tasks USING (tenant_id = app.current_tenant());
GRANT ALL ON app.tasks TO saas_app;
