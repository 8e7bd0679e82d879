BEGIN;
DROP VIEW app.live_tasks;
ALTER TABLE app.tasks DROP CONSTRAINT tasks_assignee_fkey;
ALTER TABLE app.users ALTER COLUMN id TYPE bigint;
ALTER TABLE app.tasks ALTER COLUMN assignee TYPE bigint;
ALTER TABLE app.tasks ADD CONSTRAINT tasks_assignee_fkey FOREIGN KEY (assignee) REFERENCES app.users (id) ON DELETE SET NULL;
CREATE VIEW app.live_tasks WITH (security_invoker = true) AS SELECT * FROM app.tasks WHERE deleted_at IS NULL;
COMMIT;
