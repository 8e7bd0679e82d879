ALTER TABLE app.users ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE app.projects ADD COLUMN created_at timestamptz NOT NULL DEFAULT clock_timestamp();
ALTER TABLE app.tenants ALTER COLUMN created_at TYPE timestamp with time zone;
