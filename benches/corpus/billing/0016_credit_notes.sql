CREATE TABLE billing.credit_note (LIKE billing.invoice INCLUDING CONSTRAINTS INCLUDING DEFAULTS);
ALTER TABLE billing.credit_note ADD PRIMARY KEY (invoice_id);
ALTER TABLE billing.credit_note RENAME invoice_id TO credit_note_id;
ALTER TABLE billing.credit_note ADD COLUMN for_invoice bigint REFERENCES billing.invoice ON DELETE RESTRICT;
