CREATE PUBLICATION saas_cdc FOR TABLE app.projects, app.tasks;
ALTER PUBLICATION saas_cdc ADD TABLE app.tenants;
ALTER TABLE app.tasks REPLICA IDENTITY FULL;
