begin;
alter table posts add column tsv tsvector;
create function posts_tsv() returns trigger as $$
begin
  new.tsv := to_tsvector('simple', new.body);
  return new;
end;
$$ language plpgsql;
create trigger posts_tsv before insert or update of body on posts
  for each row execute procedure posts_tsv();
update posts set tsv = to_tsvector('simple', body);
create index posts_tsv_gin on posts using gin (tsv);
commit;
