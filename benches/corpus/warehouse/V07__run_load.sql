select staging.load_events();
insert into mart.fact_event (event_id, day, user_key, event_type)
select e.event_id, e.event_time::date, u.user_key, e.properties->>'type'
  from staging.events_typed e join mart.dim_user u using (user_id);
