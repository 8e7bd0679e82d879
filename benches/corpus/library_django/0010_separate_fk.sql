ALTER TABLE "lending_loan" ADD COLUMN "member_id" bigint NULL;
INSERT INTO "lending_member" ("name", "joined") SELECT DISTINCT "member_name", current_date FROM "lending_loan";
UPDATE "lending_loan" l SET "member_id" = m."id" FROM "lending_member" m WHERE m."name" = l."member_name";
ALTER TABLE "lending_loan" ADD CONSTRAINT "lending_loan_member_fk" FOREIGN KEY ("member_id") REFERENCES "lending_member" ("id") DEFERRABLE INITIALLY DEFERRED NOT VALID;
