ALTER TABLE telemetry.event DROP CONSTRAINT event_pkey;
ALTER TABLE telemetry.event ADD PRIMARY KEY (region, at, event_id);
