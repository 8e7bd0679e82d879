ALTER TABLE ref.device
    ADD COLUMN firmware text,
    ADD COLUMN label text GENERATED ALWAYS AS (coalesce(model, '?') || ' ' || coalesce(serial_no, '')) STORED;
