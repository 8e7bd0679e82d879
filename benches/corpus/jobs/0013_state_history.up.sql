create table job_history (
    job_id bigint not null,
    old_state job_state,
    new_state job_state not null,
    at timestamptz not null default clock_timestamp()
);
create function job_history() returns trigger language plpgsql as $$
begin
    insert into job_history (job_id, old_state, new_state) values (new.id, old.state, new.state);
    return new;
end $$;
create trigger job_history after update of state on job
    for each row when (old.state is distinct from new.state) execute function job_history();
