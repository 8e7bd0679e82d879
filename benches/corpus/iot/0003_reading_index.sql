CREATE INDEX reading_device_ts_idx ON telemetry.reading (device_id, ts DESC);
