CREATE TABLE telemetry.event (
    event_id  uuid NOT NULL DEFAULT gen_random_uuid(),
    region    text NOT NULL,
    device_id bigint NOT NULL REFERENCES ref.device,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    body      jsonb,
    PRIMARY KEY (region, event_id)
) PARTITION BY LIST (region);
CREATE TABLE telemetry.event_eu PARTITION OF telemetry.event FOR VALUES IN ('eu', 'uk');
CREATE TABLE telemetry.event_us PARTITION OF telemetry.event FOR VALUES IN ('us', 'ca');
CREATE INDEX ON telemetry.event USING brin (at);
