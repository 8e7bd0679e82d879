CREATE SCHEMA reporting;
SELECT b.title, count(l.id) AS loans INTO reporting.popular FROM catalog_book b LEFT JOIN lending_loan l ON l.book_id = b.id GROUP BY b.title;
CREATE AGGREGATE reporting.mul (double precision) (SFUNC = float8mul, STYPE = double precision, INITCOND = '1');
CREATE VIEW reporting.open_loans AS SELECT id, book_id, member_name, now() - lent_at AS age FROM lending_loan WHERE returned_at IS NULL;
GRANT USAGE ON SCHEMA reporting TO PUBLIC;
