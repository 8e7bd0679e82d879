begin;
create table polls (poll_id bigserial primary key, thread_id bigint not null unique references threads on delete cascade, question text not null, closes timestamptz);
create table poll_options (poll_id bigint references polls on delete cascade, n smallint, label text not null, primary key (poll_id, n));
create table poll_votes (poll_id bigint, n smallint, member_id bigint references members, primary key (poll_id, member_id), foreign key (poll_id, n) references poll_options);
commit;
