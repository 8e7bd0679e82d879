begin;
create table users (
  user_id    bigserial primary key,
  nick       varchar(30) not null,
  joined     timestamp without time zone not null default localtimestamp,
  karma      int default 0,
  is_admin   char(1) default 'N'
);
create table boards (
  board_id serial primary key,
  title    text not null,
  position int
);
create table threads (
  thread_id bigserial primary key,
  board_id  int not null references boards on delete restrict,
  author_id bigint references users,
  title     varchar(120) not null,
  opened    timestamp not null default localtimestamp,
  sticky    boolean
);
create table posts (
  post_id   bigserial primary key,
  thread_id bigint not null references threads on delete cascade,
  author_id bigint references users,
  body      text not null,
  posted    timestamp not null default localtimestamp
);
create index posts_thread on posts (thread_id, posted);
commit;
