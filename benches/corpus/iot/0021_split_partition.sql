-- January got too large; split it at the 16th
BEGIN;
ALTER TABLE telemetry.reading DETACH PARTITION telemetry.reading_2024_01;
CREATE TABLE telemetry.reading_2024_01a PARTITION OF telemetry.reading FOR VALUES FROM ('2024-01-01') TO ('2024-01-16');
CREATE TABLE telemetry.reading_2024_01b PARTITION OF telemetry.reading FOR VALUES FROM ('2024-01-16') TO ('2024-02-01');
INSERT INTO telemetry.reading SELECT * FROM telemetry.reading_2024_01;
DROP TABLE telemetry.reading_2024_01;
COMMIT;
