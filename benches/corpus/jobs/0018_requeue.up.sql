create function requeue_failed(q text) returns int language plpgsql as $$
declare n int;
begin
    update job set state = 'queued', attempts = 0 where queue = q and state = 'failed';
    get diagnostics n = row_count;
    return n;
end $$;
select requeue_failed('mail');
select requeue_failed(name) from queue;
