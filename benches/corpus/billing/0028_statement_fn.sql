CREATE FUNCTION billing.statement(p_account bigint, p_from date, p_to date)
RETURNS TABLE (entered timestamptz, kind text, amount numeric, running numeric)
LANGUAGE sql STABLE AS $$
    SELECT entered, kind, amount, sum(amount) OVER (ORDER BY entered, entry_id)
      FROM billing.ledger WHERE account_id = p_account AND entered >= p_from AND entered < p_to + 1
$$;
