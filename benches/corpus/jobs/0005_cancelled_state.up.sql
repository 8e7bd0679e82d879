-- not reversible, postgres cannot drop enum values
alter type job_state add value if not exists 'cancelled';
