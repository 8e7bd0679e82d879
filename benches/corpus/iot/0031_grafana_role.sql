DO $$ BEGIN CREATE ROLE grafana NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT USAGE ON SCHEMA telemetry, registry TO grafana;
GRANT SELECT ON telemetry.reading, telemetry.reading_hourly TO grafana;
ALTER ROLE grafana SET statement_timeout = '30s';
