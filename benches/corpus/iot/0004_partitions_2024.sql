DO $$
DECLARE
    m date;
BEGIN
    FOR m IN SELECT generate_series('2024-03-01'::date, '2024-12-01'::date, '1 month')::date LOOP
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS telemetry.reading_%s PARTITION OF telemetry.reading FOR VALUES FROM (%L) TO (%L)',
            to_char(m, 'YYYY_MM'), m, m + interval '1 month');
    END LOOP;
END
$$;
