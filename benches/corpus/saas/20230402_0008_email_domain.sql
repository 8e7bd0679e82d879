CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE DOMAIN app.email AS public.citext CHECK (VALUE ~ '^[^@[:space:]]+@[^@[:space:]]+$');
ALTER TABLE app.users ALTER COLUMN email TYPE app.email;
