drop trigger job_notify_insert on job;
drop function job_notify();
