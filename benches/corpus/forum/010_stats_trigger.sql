create or replace function bump_thread() returns trigger language plpgsql as $$
begin
  update threads set post_count = post_count + 1, last_post_at = new.posted where thread_id = new.thread_id;
  return new;
end $$;
create trigger bump_thread after insert on posts for each row execute function bump_thread();
