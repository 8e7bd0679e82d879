BEGIN;
--
-- Add field language to book
--
ALTER TABLE "catalog_book" ADD COLUMN "language" varchar(8) DEFAULT 'en' NOT NULL;
ALTER TABLE "catalog_book" ALTER COLUMN "language" DROP DEFAULT;
COMMIT;
