--
-- Concurrently create index loan_member_idx on field(s) member of model loan
--
CREATE INDEX CONCURRENTLY "loan_member_idx" ON "lending_loan" ("member");
