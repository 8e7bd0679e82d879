create table bans (
  user_id bigint not null references users,
  period tstzrange not null,
  reason text,
  exclude using gist (int8range(user_id, user_id, '[]') with &&, period with &&)
);
create function is_banned(bigint) returns boolean language sql stable as
  'select exists (select 1 from bans where user_id = $1 and period @> now())';
comment on function is_banned(bigint) is 'checked at every login; keep it fast';
