CREATE OR REPLACE FUNCTION telemetry.latest(p_device bigint, p_metric text) RETURNS double precision
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (SELECT value FROM telemetry.reading WHERE device_id = p_device AND metric_code = p_metric ORDER BY ts DESC LIMIT 1);
END
$$;
