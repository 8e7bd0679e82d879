update users set karma = 0 where karma is null;
alter table users alter karma set not null;
