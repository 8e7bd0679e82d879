ALTER TABLE telemetry.reading
    ADD CONSTRAINT reading_device_fk FOREIGN KEY (device_id) REFERENCES ref.device (device_id);
