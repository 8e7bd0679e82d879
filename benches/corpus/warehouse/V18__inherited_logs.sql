create table raw.log (at timestamptz not null, line text);
create table raw.log_web (host text) inherits (raw.log);
create table raw.log_db (pid int) inherits (raw.log);
alter table raw.log add column level smallint default 0;
alter table raw.log add constraint log_level_check check (level between 0 and 7);
alter table raw.log_db no inherit raw.log;
alter table only raw.log add constraint log_at_recent check (at > '2000-01-01') no inherit;
