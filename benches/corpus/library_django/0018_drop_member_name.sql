BEGIN;
--
-- Remove field member_name from loan
--
ALTER TABLE "lending_loan" DROP COLUMN "member_name" CASCADE;
--
-- Alter field member on loan
--
DELETE FROM "lending_loan" WHERE "member_id" IS NULL;
ALTER TABLE "lending_loan" ALTER COLUMN "member_id" SET NOT NULL;
COMMIT;
