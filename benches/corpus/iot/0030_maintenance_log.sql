CREATE TABLE IF NOT EXISTS registry.maintenance (
    device_id bigint NOT NULL REFERENCES registry.device (device_id),
    done_on   date NOT NULL,
    what      text NOT NULL,
    EXCLUDE USING gist (int8range(device_id, device_id, '[]') WITH &&, daterange(done_on, done_on, '[]') WITH &&)
);
COMMENT ON TABLE registry.maintenance IS 'at most one visit per device and day';
