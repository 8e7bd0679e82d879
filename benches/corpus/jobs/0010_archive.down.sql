drop procedure archive_done(int);
drop table job_archive;
