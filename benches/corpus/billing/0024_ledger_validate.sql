ALTER TABLE billing.ledger VALIDATE CONSTRAINT ledger_account_fk;
