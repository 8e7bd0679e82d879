begin;
set local lock_timeout = '2s';
alter table posts
  drop constraint posts_author_id_fkey,
  add constraint posts_author_id_fkey foreign key (author_id) references users (user_id) on delete set null not valid;
commit;
alter table posts validate constraint posts_author_id_fkey;
