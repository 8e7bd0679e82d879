drop trigger job_history on job;
drop function job_history;
drop table job_history;
