drop procedure finish_job;
