alter table threads add column post_count int not null default 0;
alter table threads add column last_post_at timestamp;
create function migrate_thread_stats() returns void language plpgsql as $$
declare t record;
begin
  for t in select thread_id, count(*) n, max(posted) p from posts group by thread_id loop
    update threads set post_count = t.n, last_post_at = t.p where thread_id = t.thread_id;
  end loop;
end $$;
select migrate_thread_stats();
drop function migrate_thread_stats();
