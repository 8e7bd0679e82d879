create table conversations (
  conversation_id bigint generated always as identity primary key,
  started timestamptz not null default now()
);
create table conversation_members (
  conversation_id bigint not null references conversations on delete cascade,
  user_id bigint not null references users,
  last_read timestamptz,
  muted boolean not null default false,
  primary key (conversation_id, user_id)
);
create table messages (
  message_id bigint generated always as identity primary key,
  conversation_id bigint not null references conversations on delete cascade,
  sender bigint references users on delete set null,
  body text not null check (body <> ''),
  sent timestamptz not null default now()
);
create index messages_conv_sent on messages (conversation_id, sent desc);
