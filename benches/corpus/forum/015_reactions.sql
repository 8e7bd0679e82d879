create type reaction as enum ('like', 'laugh', 'sad');
create table post_reactions (
  post_id bigint not null references posts on delete cascade,
  user_id bigint not null references users on delete cascade,
  kind reaction not null,
  at timestamptz not null default statement_timestamp(),
  constraint one_reaction_each unique (post_id, user_id, kind)
);
grant select on post_reactions to public;
