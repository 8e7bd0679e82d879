CREATE TABLE loan_archive (LIKE lending_loan INCLUDING DEFAULTS INCLUDING GENERATED);
ALTER TABLE loan_archive ADD CONSTRAINT returned_after_lent CHECK (returned_at > lent_at);
ALTER TABLE loan_archive INHERIT lending_loan;
ALTER TABLE lending_loan ALTER COLUMN member_name TYPE varchar(80);
