TRUNCATE page_tag, page_media RESTART IDENTITY;
DROP TYPE media_kind CASCADE;
DROP TABLE "Straßen";
DROP FUNCTION slugify(text) CASCADE;
