ALTER TABLE billing.invoice ALTER COLUMN number TYPE varchar(40), ALTER COLUMN due SET NOT NULL;
ALTER TABLE billing.invoice_line ALTER COLUMN text TYPE text;
