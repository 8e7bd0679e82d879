CREATE TABLE telemetry.reading_2023_11 (LIKE telemetry.reading);
ALTER TABLE telemetry.reading ATTACH PARTITION telemetry.reading_2023_11
    FOR VALUES FROM ('2023-11-01') TO ('2023-12-01');
