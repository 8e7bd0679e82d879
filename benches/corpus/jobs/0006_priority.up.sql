alter table job add column priority smallint not null default 100;
drop index job_fetch_idx;
create index job_fetch_idx on job (queue, priority, run_at) where state = 'queued';
