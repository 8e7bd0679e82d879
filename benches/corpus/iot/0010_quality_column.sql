ALTER TABLE telemetry.reading ADD COLUMN quality smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN telemetry.reading.quality IS '0 = good; 1 = estimated; 2 = bad';
