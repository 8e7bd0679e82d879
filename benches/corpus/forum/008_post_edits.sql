alter table posts add column edited timestamp, add column edit_count smallint not null default 0;
create table post_revisions (
  post_id bigint references posts on delete cascade,
  rev smallint,
  body text not null,
  primary key (post_id, rev)
);
