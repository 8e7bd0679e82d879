CREATE STATISTICS telemetry.reading_dev_metric (dependencies, ndistinct) ON device_id, metric FROM telemetry.reading_2024_02;
ANALYZE telemetry.reading_2024_02;
VACUUM (ANALYZE) telemetry.event_eu;
REINDEX TABLE CONCURRENTLY telemetry.event_us;
