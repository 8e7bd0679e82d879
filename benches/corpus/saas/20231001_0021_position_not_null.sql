ALTER TABLE app.tasks ALTER COLUMN "position" SET DEFAULT 0, ALTER COLUMN "position" SET NOT NULL;
ALTER TABLE app.tasks ADD CONSTRAINT tasks_position_key UNIQUE (project_id, "position") DEFERRABLE INITIALLY DEFERRED;
