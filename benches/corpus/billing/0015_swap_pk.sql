-- invoice_line gets a surrogate key
ALTER TABLE billing.invoice_line ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY;
CREATE UNIQUE INDEX CONCURRENTLY invoice_line_id_uq ON billing.invoice_line (id);
BEGIN;
ALTER TABLE billing.invoice_line DROP CONSTRAINT invoice_line_pk;
ALTER TABLE billing.invoice_line ADD CONSTRAINT invoice_line_pk PRIMARY KEY USING INDEX invoice_line_id_uq;
COMMIT;
CREATE UNIQUE INDEX CONCURRENTLY invoice_line_no_uq ON billing.invoice_line (invoice_id, line_no);
