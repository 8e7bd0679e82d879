ALTER TYPE billing.pay_method RENAME TO pay_method_old;
CREATE TYPE billing.pay_method AS ENUM ('card', 'sepa', 'paypal');
ALTER TABLE billing.payment ALTER COLUMN method TYPE billing.pay_method USING method::text::billing.pay_method;
DROP TYPE billing.pay_method_old;
