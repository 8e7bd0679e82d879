alter table users alter nick type varchar(60);
alter table users add constraint nick_chars check (nick ~ '^[[:alnum:]_]+$');
