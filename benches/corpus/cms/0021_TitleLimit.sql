-- view depends on the column, so drop and create again
BEGIN;
DROP VIEW page_list;
ALTER TABLE "Page" DROP COLUMN slug;
ALTER TABLE "Page" ALTER COLUMN "Title" TYPE varchar(200) USING left("Title", 200);
ALTER TABLE "Page" ADD COLUMN slug text GENERATED ALWAYS AS (slugify("Title")) STORED;
CREATE VIEW page_list AS SELECT p."Id", s."HostName" || p."Path" AS url, p."Title" FROM "Page" p JOIN "Site" s ON s."Id" = p."SiteId";
COMMIT;
