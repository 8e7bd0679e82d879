ALTER TABLE billing.invoice
    ALTER COLUMN vat_rate DROP DEFAULT,
    ALTER COLUMN vat_rate TYPE numeric(5,4) USING round(vat_rate::numeric, 4),
    ALTER COLUMN vat_rate SET DEFAULT 0.19;
