ALTER TABLE "lending_loan" VALIDATE CONSTRAINT "lending_loan_member_fk";
ALTER TABLE "lending_loan" ALTER CONSTRAINT "lending_loan_member_fk" NOT DEFERRABLE;
