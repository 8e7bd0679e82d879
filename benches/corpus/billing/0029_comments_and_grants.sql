COMMENT ON TABLE billing.ledger IS 'append only: see the rules; corrections are new entries';
COMMENT ON COLUMN billing.invoice.gross IS 'generated';
DO $$ BEGIN IF to_regrole('accountant') IS NULL THEN CREATE ROLE accountant; END IF; END $$;
GRANT USAGE ON SCHEMA billing TO accountant;
GRANT SELECT ON ALL TABLES IN SCHEMA billing TO accountant;
