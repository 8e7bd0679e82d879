ALTER TABLE billing.account ADD COLUMN IF NOT EXISTS email text;
ALTER TABLE billing.account ADD COLUMN IF NOT EXISTS email text;
ALTER TABLE billing.account ADD COLUMN dunning_level smallint DEFAULT 0 CONSTRAINT dunning_range CHECK (dunning_level BETWEEN 0 AND 3);
