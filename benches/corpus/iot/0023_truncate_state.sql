TRUNCATE telemetry.device_state;
TRUNCATE telemetry.staging;
ALTER TABLE telemetry.staging SET LOGGED;
