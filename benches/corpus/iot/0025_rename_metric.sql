ALTER TABLE telemetry.reading RENAME COLUMN metric TO metric_code;
ALTER SCHEMA ref RENAME TO registry;
