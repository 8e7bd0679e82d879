ALTER TABLE telemetry.reading_2024_01 SET (autovacuum_enabled = false, fillfactor = 100);
ALTER TABLE telemetry.reading_2024_02 ALTER COLUMN metric SET STATISTICS 500;
ALTER TABLE telemetry.event_eu ALTER COLUMN body SET STORAGE EXTERNAL, ALTER COLUMN body SET COMPRESSION pglz;
CLUSTER telemetry.reading_2024_01 USING reading_2024_01_device_id_ts_idx;
ALTER TABLE telemetry.reading_2024_01 SET WITHOUT CLUSTER;
