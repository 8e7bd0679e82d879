-- the enum made deployments painful
drop view failed_jobs;
drop trigger job_history on job;
drop index job_fetch_idx;
drop index job_unique_key;
alter table job alter column state drop default;
alter table job alter column state type text using state::text;
alter table job alter column state set default 'queued';
alter table job add constraint job_state_check check (state in ('queued', 'running', 'done', 'failed', 'cancelled'));
create index job_fetch_idx on job (queue, priority, run_at) where state = 'queued';
