-- composite keys so that a task can never point into another tenant
ALTER TABLE app.projects ADD CONSTRAINT projects_tenant_id_id_key UNIQUE (tenant_id, id);
ALTER TABLE app.tasks
    ADD CONSTRAINT tasks_project_same_tenant FOREIGN KEY (tenant_id, project_id)
        REFERENCES app.projects (tenant_id, id) NOT VALID,
    DROP CONSTRAINT tasks_project_id_fkey;
