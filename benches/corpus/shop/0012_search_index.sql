create extension if not exists pg_trgm;
create index concurrently products_title_trgm on products using gin (title gin_trgm_ops);
