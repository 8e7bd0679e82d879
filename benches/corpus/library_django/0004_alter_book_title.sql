BEGIN;
--
-- Alter field title on book
--
ALTER TABLE "catalog_book" ALTER COLUMN "title" TYPE varchar(500);
--
-- Alter field pages on book
--
ALTER TABLE "catalog_book" ALTER COLUMN "pages" SET DEFAULT 0;
UPDATE "catalog_book" SET "pages" = 0 WHERE "pages" IS NULL; SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE "catalog_book" ALTER COLUMN "pages" SET NOT NULL;
ALTER TABLE "catalog_book" ALTER COLUMN "pages" DROP DEFAULT;
COMMIT;
