alter table job add column unique_key text;
create unique index concurrently job_unique_key on job (queue, unique_key) where state in ('queued', 'running');
