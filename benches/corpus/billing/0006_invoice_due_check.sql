ALTER TABLE billing.invoice ADD CONSTRAINT due_after_issue CHECK (due >= issued);
