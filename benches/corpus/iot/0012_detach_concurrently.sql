-- cannot be used while a default partition exists
ALTER TABLE telemetry.reading DETACH PARTITION telemetry.reading_default;
ALTER TABLE telemetry.reading DETACH PARTITION telemetry.reading_2023_12 CONCURRENTLY;
ALTER TABLE telemetry.reading_2023_12 SET SCHEMA ref;
ALTER TABLE telemetry.reading ATTACH PARTITION telemetry.reading_default DEFAULT;
