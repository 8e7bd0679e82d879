CREATE TABLE billing.invoice_line (
    invoice_id bigint NOT NULL,
    line_no    smallint NOT NULL,
    text       varchar(255) NOT NULL,
    quantity   numeric(10,3) NOT NULL DEFAULT 1,
    price      billing.money_amount NOT NULL,
    CONSTRAINT invoice_line_pk PRIMARY KEY (invoice_id, line_no)
);
ALTER TABLE billing.invoice_line
    ADD CONSTRAINT invoice_line_invoice_fk FOREIGN KEY (invoice_id)
    REFERENCES billing.invoice (invoice_id) ON DELETE CASCADE;
