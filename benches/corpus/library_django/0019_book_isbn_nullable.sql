ALTER TABLE catalog_book ALTER COLUMN isbn DROP NOT NULL;
ALTER TABLE catalog_book DROP CONSTRAINT catalog_book_isbn_key;
DROP INDEX IF EXISTS catalog_book_isbn_0b4e2a4f_like;
CREATE UNIQUE INDEX catalog_book_isbn_nn ON catalog_book (isbn) NULLS NOT DISTINCT;
DROP INDEX catalog_book_isbn_nn;
CREATE UNIQUE INDEX catalog_book_isbn_u ON catalog_book (isbn) WHERE isbn IS NOT NULL;
