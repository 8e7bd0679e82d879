INSERT INTO ref.unit VALUES ('C', 'degree Celsius'), ('Pa', 'pascal'), ('%', 'percent')
ON CONFLICT DO NOTHING;
INSERT INTO ref.site (site_id, name, lat, lon) VALUES (1, 'Plant North', 54.3, 10.1), (2, 'Plant Süd', 48.1, 11.5);
INSERT INTO ref.device (site_id, serial_no, model)
SELECT 1 + n % 2, 'SN' || lpad(n::text, 6, '0'), 'TX-200' FROM generate_series(1, 40) n;
INSERT INTO telemetry.reading
SELECT 1 + n % 40, '2024-01-01'::timestamptz + n * interval '20 minutes', 'temp', 20 + n % 7
  FROM generate_series(0, 3000) n;
