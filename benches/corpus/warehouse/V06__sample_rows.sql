insert into raw.events (event_id, event_time, user_id, properties)
select md5(n::text), ('2022-01-01'::timestamp + n * interval '1 hour')::text, (n % 17)::text, '{"type": "view"}'
  from generate_series(1, 500) n;
insert into mart.dim_user (user_id, country, valid) select n, 'DE', daterange('2022-01-01', null) from generate_series(1, 16) n;
