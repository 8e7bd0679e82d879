BEGIN;
INSERT INTO "catalog_author" ("name", "born") VALUES ('Octavia E. Butler', '1947-06-22');
COMMIT;
