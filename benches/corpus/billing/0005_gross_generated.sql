ALTER TABLE billing.invoice
    ADD COLUMN gross numeric(14,2) GENERATED ALWAYS AS (round(net * (1 + vat_rate), 2)) STORED;
