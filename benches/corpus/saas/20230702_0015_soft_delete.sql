ALTER TABLE app.projects ADD COLUMN deleted_at timestamptz;
ALTER TABLE app.tasks ADD COLUMN deleted_at timestamptz;
CREATE VIEW app.live_projects WITH (security_barrier) AS SELECT * FROM app.projects WHERE deleted_at IS NULL;
CREATE VIEW app.live_tasks WITH (security_invoker = true) AS SELECT * FROM app.tasks WHERE deleted_at IS NULL;
GRANT SELECT ON app.live_projects, app.live_tasks TO saas_readonly;
