ALTER TABLE telemetry.reading ALTER COLUMN value TYPE double precision;
