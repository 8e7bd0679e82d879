BEGIN;
LOCK TABLE billing.ledger IN ACCESS EXCLUSIVE MODE;
DROP TRIGGER ledger_sync ON billing.ledger;
ALTER TABLE billing.ledger ALTER COLUMN account_id_new SET NOT NULL;
ALTER TABLE billing.ledger DROP COLUMN account_id;
ALTER TABLE billing.ledger RENAME COLUMN account_id_new TO account_id;
ALTER TABLE billing.ledger ADD CONSTRAINT ledger_account_fk FOREIGN KEY (account_id) REFERENCES billing.account NOT VALID;
COMMIT;
DROP FUNCTION billing.ledger_sync();
