CREATE TABLE telemetry.reading_default PARTITION OF telemetry.reading DEFAULT;
