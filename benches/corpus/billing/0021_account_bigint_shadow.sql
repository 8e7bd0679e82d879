-- step 1 of int -> bigint: shadow column kept up to date by a trigger
ALTER TABLE billing.ledger ADD COLUMN account_id_new bigint;
CREATE FUNCTION billing.ledger_sync() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.account_id_new := NEW.account_id;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_sync BEFORE INSERT OR UPDATE ON billing.ledger FOR EACH ROW EXECUTE FUNCTION billing.ledger_sync();
