GRANT USAGE ON SCHEMA scheduling, audit TO saas_readonly;
GRANT SELECT ON ALL TABLES IN SCHEMA scheduling TO saas_readonly;
REVOKE ALL ON audit.log FROM PUBLIC;
COMMENT ON SCHEMA audit IS 'append only; kept for ten years';
