ALTER TABLE billing.account DROP COLUMN holder CASCADE;
