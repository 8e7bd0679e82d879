create index if not exists fact_event_p_day on mart.fact_event (day);
create index if not exists fact_event_p_user on mart.fact_event (user_key, day);
