insert into queue (name) values ('default'), ('mail'), ('webhook') on conflict (name) do nothing;
insert into job (queue, payload)
select 'mail', jsonb_build_object('to', 'user' || n || '@example.org') from generate_series(1, 200) n;
