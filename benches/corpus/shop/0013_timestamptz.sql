-- everything was stored in UTC anyway
alter table customers alter column created_at type timestamptz using created_at at time zone 'UTC';
alter table orders alter column placed_at type timestamptz using placed_at at time zone 'UTC';
