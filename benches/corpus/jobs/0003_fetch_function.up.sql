create or replace function fetch_job(q text, worker text default null)
returns setof job
language sql
as $$
    update job set state = 'running', attempts = attempts + 1
     where id = (select id from job
                  where queue = q and state = 'queued' and run_at <= now()
                  order by run_at
                  for update skip locked
                  limit 1)
    returning *;
$$;
