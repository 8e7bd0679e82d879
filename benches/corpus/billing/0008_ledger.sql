CREATE TABLE billing.ledger (
    entry_id   bigserial,
    account_id int NOT NULL REFERENCES billing.account,
    entered    timestamptz NOT NULL DEFAULT now(),
    amount     numeric NOT NULL CHECK (amount <> 0),
    kind       text NOT NULL,
    ref        text
);
ALTER TABLE billing.ledger ADD PRIMARY KEY (entry_id);
CREATE RULE ledger_no_update AS ON UPDATE TO billing.ledger DO INSTEAD NOTHING;
CREATE RULE ledger_no_delete AS ON DELETE TO billing.ledger DO INSTEAD NOTHING;
