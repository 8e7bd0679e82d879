CREATE EXTENSION IF NOT EXISTS postgres_fdw;
CREATE SERVER union_catalogue FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'catalogue.example.org', dbname 'union');
CREATE FOREIGN TABLE union_book (isbn varchar(13), title text) SERVER union_catalogue OPTIONS (schema_name 'public', table_name 'book');
COMMENT ON FOREIGN TABLE union_book IS 'read only; slow';
