CREATE FUNCTION billing.post_invoice(p_id bigint) RETURNS bigint
LANGUAGE plpgsql AS
$$
DECLARE
    v_entry bigint;
BEGIN
    INSERT INTO billing.ledger (account_id, amount, kind, ref)
    SELECT account_id, -gross, 'invoice', number FROM billing.invoice WHERE invoice_id = p_id
    RETURNING entry_id INTO STRICT v_entry;
    RETURN v_entry;
EXCEPTION
    WHEN no_data_found THEN RAISE EXCEPTION 'invoice % not found', p_id;
END;
$$;
SELECT billing.post_invoice(invoice_id) FROM billing.invoice WHERE NOT paid ORDER BY invoice_id;
