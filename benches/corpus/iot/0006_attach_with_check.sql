BEGIN;
CREATE TABLE telemetry.reading_2023_12 (LIKE telemetry.reading INCLUDING ALL);
ALTER TABLE telemetry.reading_2023_12
    ADD CONSTRAINT reading_2023_12_bounds
    CHECK (ts >= '2023-12-01' AND ts < '2024-01-01');
COMMIT;

-- the import job copies old readings here between the two steps
INSERT INTO telemetry.reading_2023_12 VALUES (1, '2023-12-24 18:00+01', 'temp', 19.5);

BEGIN;
ALTER TABLE telemetry.reading_default ADD CONSTRAINT not_2023_12
    CHECK (NOT (ts >= '2023-12-01' AND ts < '2024-01-01'));
ALTER TABLE telemetry.reading ATTACH PARTITION telemetry.reading_2023_12
    FOR VALUES FROM ('2023-12-01') TO ('2024-01-01');
ALTER TABLE telemetry.reading_default DROP CONSTRAINT not_2023_12;
ALTER TABLE telemetry.reading_2023_12 DROP CONSTRAINT reading_2023_12_bounds;
COMMIT;
