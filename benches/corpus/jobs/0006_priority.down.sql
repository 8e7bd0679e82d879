alter table job drop column priority;
create index job_fetch_idx on job (queue, run_at) where state = 'queued';
