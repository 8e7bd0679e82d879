CREATE MATERIALIZED VIEW telemetry.reading_hourly AS
SELECT device_id, metric, date_trunc('hour', ts) AS hour, avg(value) AS avg, min(value) AS min, max(value) AS max
  FROM telemetry.reading GROUP BY 1, 2, 3;
CREATE UNIQUE INDEX ON telemetry.reading_hourly (device_id, metric, hour);
