BEGIN;
INSERT INTO "catalog_author" ("id", "name", "born") VALUES (1, 'Ursula K. Le Guin', '1929-10-21'), (2, 'Stanisław Lem', '1921-09-12');
INSERT INTO "catalog_book" ("isbn", "title", "pages", "author_id") VALUES ('9780441478125', 'The Left Hand of Darkness', 304, 1), ('9780156027601', 'Solaris', 204, 2);
SELECT setval(pg_get_serial_sequence('"catalog_author"', 'id'), 2);
COMMIT;
