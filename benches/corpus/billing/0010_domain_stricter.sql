ALTER DOMAIN billing.money_amount ADD CONSTRAINT money_sane CHECK (VALUE < 100000000) NOT VALID;
ALTER DOMAIN billing.money_amount VALIDATE CONSTRAINT money_sane;
ALTER DOMAIN billing.iban ADD CHECK (VALUE ~ '^[A-Z]{2}[0-9A-Z]+$');
