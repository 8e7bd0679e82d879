ALTER TYPE billing.postal ADD ATTRIBUTE country char(2) CASCADE;
