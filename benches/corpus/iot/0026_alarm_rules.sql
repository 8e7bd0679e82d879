CREATE TYPE telemetry.severity AS ENUM ('info', 'warning', 'critical');
CREATE TABLE telemetry.alarm_rule (
    rule_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    metric   text NOT NULL,
    low      double precision,
    high     double precision,
    severity telemetry.severity NOT NULL DEFAULT 'warning',
    CHECK (low IS NULL OR high IS NULL OR low < high)
);
INSERT INTO telemetry.alarm_rule (metric, low, high) VALUES ('temp', -20, 80);
