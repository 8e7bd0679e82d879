BEGIN;
--
-- Alter unique_together for loan (1 constraint(s))
--
ALTER TABLE "lending_loan" ADD CONSTRAINT "lending_loan_book_id_lent_at_4c6a_uniq" UNIQUE ("book_id", "lent_at");
--
-- Create constraint one_open_loan on model loan
--
CREATE UNIQUE INDEX "one_open_loan" ON "lending_loan" ("book_id") WHERE "returned_at" IS NULL;
--
-- Create constraint returned_after_lent on model loan
--
ALTER TABLE "lending_loan" ADD CONSTRAINT "returned_after_lent" CHECK ("returned_at" > "lent_at");
COMMIT;
