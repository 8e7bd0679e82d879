CREATE EXTENSION IF NOT EXISTS unaccent;
CREATE TEXT SEARCH CONFIGURATION library (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION library ALTER MAPPING FOR hword, hword_part, word WITH unaccent, simple;
CREATE INDEX CONCURRENTLY book_search ON catalog_book USING gin (to_tsvector('library', title));
CREATE COLLATION IF NOT EXISTS de_icu (provider = icu, locale = 'de-DE');
