CREATE UNLOGGED TABLE telemetry.staging (LIKE telemetry.reading INCLUDING DEFAULTS);
COMMENT ON TABLE telemetry.staging IS 'COPY target of the gateways; emptied every five minutes';
GRANT INSERT ON telemetry.staging TO PUBLIC;
