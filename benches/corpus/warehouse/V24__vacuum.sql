vacuum (full, analyze) raw.events;
reindex table raw.events;
reindex index concurrently marts.fact_event_2022_day_idx;
vacuum analyze marts.dim_user;
