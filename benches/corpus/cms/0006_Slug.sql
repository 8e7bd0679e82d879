CREATE OR REPLACE FUNCTION slugify(v text) RETURNS text AS $slug$
  SELECT trim(both '-' from regexp_replace(lower(v), '[^a-z0-9]+', '-', 'g'));
$slug$ LANGUAGE sql IMMUTABLE STRICT;
ALTER TABLE "Page" ADD COLUMN slug text GENERATED ALWAYS AS (slugify("Title")) STORED;
CREATE INDEX page_slug ON "Page" (slug);
