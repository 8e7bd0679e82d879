CREATE TABLE telemetry.device_state (
    device_id bigint NOT NULL,
    key text NOT NULL,
    val text,
    PRIMARY KEY (device_id, key)
) PARTITION BY HASH (device_id);
CREATE TABLE telemetry.device_state_0 PARTITION OF telemetry.device_state FOR VALUES WITH (MODULUS 4, REMAINDER 0) WITH (fillfactor = 70);
CREATE TABLE telemetry.device_state_1 PARTITION OF telemetry.device_state FOR VALUES WITH (MODULUS 4, REMAINDER 1) WITH (fillfactor = 70);
CREATE TABLE telemetry.device_state_2 PARTITION OF telemetry.device_state FOR VALUES WITH (MODULUS 4, REMAINDER 2) WITH (fillfactor = 70);
CREATE TABLE telemetry.device_state_3 PARTITION OF telemetry.device_state FOR VALUES WITH (MODULUS 4, REMAINDER 3) WITH (fillfactor = 70);
