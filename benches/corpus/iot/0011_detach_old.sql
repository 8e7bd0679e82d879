ALTER TABLE telemetry.reading DETACH PARTITION telemetry.reading_2023_11;
DROP TABLE telemetry.reading_2023_11;
