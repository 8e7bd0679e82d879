CREATE TABLE IF NOT EXISTS billing.dunning_letter (
    invoice_id bigint REFERENCES billing.invoice,
    level smallint CHECK (level IN (1, 2, 3)),
    sent_on date DEFAULT CURRENT_DATE,
    PRIMARY KEY (invoice_id, level)
);
CREATE INDEX IF NOT EXISTS invoice_unpaid_due_ix ON billing.invoice (due) WHERE NOT paid;
