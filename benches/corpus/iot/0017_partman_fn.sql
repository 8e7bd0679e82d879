CREATE OR REPLACE FUNCTION telemetry.make_month(p_month date) RETURNS text
LANGUAGE plpgsql AS $fn$
DECLARE
    v_name text := 'reading_' || to_char(p_month, 'YYYY_MM');
BEGIN
    IF to_regclass('telemetry.' || v_name) IS NULL THEN
        EXECUTE format($q$CREATE TABLE telemetry.%I PARTITION OF telemetry.reading
                            FOR VALUES FROM (%L) TO (%L)$q$,
                       v_name, date_trunc('month', p_month), date_trunc('month', p_month) + interval '1 month');
    END IF;
    RETURN v_name;
END
$fn$;

SELECT telemetry.make_month('2025-01-01');
SELECT telemetry.make_month(d::date) FROM generate_series('2025-02-01'::date, '2025-06-01', '1 month') d;
