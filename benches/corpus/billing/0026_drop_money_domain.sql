ALTER TABLE billing.payment ALTER COLUMN amount TYPE numeric(14,2);
ALTER TABLE billing.invoice_line ALTER COLUMN price TYPE numeric(14,2);
ALTER DOMAIN billing.money_amount RENAME TO nonneg_amount;
ALTER TABLE billing.invoice ALTER COLUMN paid SET DEFAULT NULL, ALTER COLUMN paid DROP NOT NULL;
