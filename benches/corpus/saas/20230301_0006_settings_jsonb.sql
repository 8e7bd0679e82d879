ALTER TABLE app.users ALTER COLUMN settings TYPE jsonb USING coalesce(settings, '{}')::jsonb;
ALTER TABLE app.users ALTER COLUMN settings SET DEFAULT '{}'::jsonb;
ALTER TABLE app.users ALTER COLUMN settings SET NOT NULL;
