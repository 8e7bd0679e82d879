drop trigger posts_tsv on posts;
drop function posts_tsv();
alter table posts drop column tsv;
alter table posts add column tsv tsvector generated always as (to_tsvector('simple', body)) stored;
create index concurrently posts_tsv_gin on posts using gin (tsv);
