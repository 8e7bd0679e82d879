ALTER TABLE billing.ledger DISABLE RULE ledger_no_update;
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT min(entry_id) AS lo, max(entry_id) AS hi FROM billing.ledger GROUP BY entry_id / 10 LOOP
        UPDATE billing.ledger SET account_id_new = account_id WHERE entry_id BETWEEN r.lo AND r.hi;
    END LOOP;
END $$;
ALTER TABLE billing.ledger ENABLE RULE ledger_no_update;
