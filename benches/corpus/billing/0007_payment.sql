CREATE TYPE billing.pay_method AS ENUM ('card', 'sepa', 'cash');
CREATE TABLE billing.payment (
    payment_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    invoice_id bigint NOT NULL REFERENCES billing.invoice,
    method     billing.pay_method NOT NULL,
    amount     billing.money_amount NOT NULL,
    booked_at  timestamptz NOT NULL DEFAULT now(),
    reference  text
);
CREATE INDEX payment_invoice_ix ON billing.payment (invoice_id);
COMMENT ON COLUMN billing.payment.reference IS 'free text; shown on the customer''s statement';
