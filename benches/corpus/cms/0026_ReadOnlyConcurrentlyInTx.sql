-- this one was merged and had to be reverted: not allowed in a transaction
BEGIN;
CREATE INDEX CONCURRENTLY page_title ON "Page" ("Title");
COMMIT;
