alter table job rename column last_error to error;
alter table job_archive rename last_error to error;
create or replace view failed_jobs as select id, queue, error, attempts from job where state = 'failed';
