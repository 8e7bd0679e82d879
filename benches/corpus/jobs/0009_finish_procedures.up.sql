create procedure finish_job(p_id bigint, ok boolean, err text default null)
language plpgsql as $$
begin
    update job set state = case when ok then 'done'::job_state else 'failed' end, last_error = err where id = p_id;
    if not found then
        raise exception 'no job %', p_id;
    end if;
end
$$;
call finish_job(1, true);
call finish_job(2, false, 'smtp; timed out');
