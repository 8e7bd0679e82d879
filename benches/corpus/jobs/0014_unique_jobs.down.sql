drop index concurrently job_unique_key;
alter table job drop column unique_key;
