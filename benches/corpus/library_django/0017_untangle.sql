DROP VIEW reporting.open_loans;
ALTER TABLE lending_loan ALTER COLUMN member_name TYPE varchar(80);
ALTER TABLE loan_archive NO INHERIT lending_loan;
DROP SCHEMA IF EXISTS reporting CASCADE;
