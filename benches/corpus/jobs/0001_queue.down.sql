drop table job;
drop table queue;
drop type job_state;
