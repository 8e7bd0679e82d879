create sequence thread_public_seq start 100000;
create function short_id(n bigint) returns text language sql immutable strict as $$ select lpad(to_hex(n), 8, '0') $$;
alter table threads add column public_no bigint not null default nextval('thread_public_seq');
alter table threads add column public_id text default short_id(42);
create unique index threads_public_no on threads (public_no);
