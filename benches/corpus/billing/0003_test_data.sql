INSERT INTO billing.account (holder, iban, address)
SELECT 'Holder ' || g, 'DE' || lpad(g::text, 20, '0'), ROW('Street ' || g, '24103', 'Kiel')::billing.postal
  FROM generate_series(1, 30) AS g;
INSERT INTO billing.invoice (account_id, number, issued, due, net)
SELECT account_id, 'R-' || account_id, DATE '2023-05-01', DATE '2023-05-31', 100 FROM billing.account;
INSERT INTO billing.invoice_line (invoice_id, line_no, text, price)
SELECT invoice_id, 1, 'Subscription', net FROM billing.invoice;
