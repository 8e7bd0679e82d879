begin;
alter table users add constraint users_nick_key unique (nick);
commit;
