create function job_notify() returns trigger language plpgsql as $$
begin
    perform pg_notify('job_' || new.queue, new.id::text);
    return null;
end
$$;

create trigger job_notify_insert after insert on job
    for each row execute function job_notify();
