-- the name of the check differs between installations, look it up
DO $$
DECLARE
    c text;
BEGIN
    SELECT conname INTO c FROM pg_constraint
     WHERE conrelid = 'catalog_book'::regclass AND contype = 'c' AND pg_get_constraintdef(oid) LIKE '%pages%';
    IF c IS NOT NULL THEN
        EXECUTE 'ALTER TABLE catalog_book DROP CONSTRAINT ' || quote_ident(c);
    END IF;
    ALTER TABLE catalog_book ADD CONSTRAINT pages_sane CHECK (pages BETWEEN 0 AND 20000) NOT VALID;
END
$$;
