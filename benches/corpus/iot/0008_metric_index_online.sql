-- index on every partition without stopping writers
CREATE INDEX reading_metric_idx ON ONLY telemetry.reading (metric, ts);
CREATE INDEX CONCURRENTLY reading_2024_01_metric_idx ON telemetry.reading_2024_01 (metric, ts);
CREATE INDEX CONCURRENTLY reading_2024_02_metric_idx ON telemetry.reading_2024_02 (metric, ts);
ALTER INDEX telemetry.reading_metric_idx ATTACH PARTITION telemetry.reading_2024_01_metric_idx;
ALTER INDEX telemetry.reading_metric_idx ATTACH PARTITION telemetry.reading_2024_02_metric_idx;
