ALTER TABLE app.tasks VALIDATE CONSTRAINT tasks_project_same_tenant;
