create function touch() returns trigger language plpgsql as 'begin new.updated_at := now(); return new; end';
alter table job add column updated_at timestamptz;
create trigger touch_job before update on job for each row execute procedure touch();
alter table job disable trigger touch_job;
update job set updated_at = run_at;
alter table job enable trigger touch_job;
alter table job alter column updated_at set default now();
