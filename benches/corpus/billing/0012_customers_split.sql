-- holder data moves to a table of its own
BEGIN;
CREATE TABLE billing.customer (
    customer_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    address billing.postal
);
ALTER TABLE billing.account ADD COLUMN customer_id int;
INSERT INTO billing.customer (name, address) SELECT holder, address FROM billing.account ORDER BY account_id;
UPDATE billing.account a SET customer_id = c.customer_id FROM billing.customer c WHERE c.name = a.holder;
ALTER TABLE billing.account ALTER COLUMN customer_id SET NOT NULL;
ALTER TABLE billing.account ADD CONSTRAINT account_customer_fk FOREIGN KEY (customer_id) REFERENCES billing.customer;
ALTER TABLE billing.account DROP COLUMN address;
COMMIT;
