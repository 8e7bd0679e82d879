CREATE VIEW billing.overdue AS
    SELECT i.invoice_id, i.number, a.holder, i.gross, CURRENT_DATE - i.due AS days
      FROM billing.invoice i JOIN billing.account a USING (account_id)
     WHERE NOT i.paid AND i.due < CURRENT_DATE;
GRANT SELECT ON billing.overdue TO PUBLIC;
