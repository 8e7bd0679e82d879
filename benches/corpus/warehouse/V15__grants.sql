do $$
begin
    create role dwh_reader;
exception when duplicate_object then
    raise notice 'role exists; fine';
end $$;
grant usage on schema mart to dwh_reader;
grant select on all tables in schema mart to dwh_reader;
grant select (day, rate) on raw.exchange_rates to dwh_reader;
