create or replace function staging.try_uuid(t text) returns uuid language plpgsql immutable as $$
begin
    return t::uuid;
exception when others then
    return null;
end $$;

create or replace function staging.load_events() returns bigint language plpgsql as $$
declare
    n bigint;
begin
    truncate staging.events_typed;
    insert into staging.events_typed
    select staging.try_uuid(event_id), event_time::timestamptz, user_id::bigint, properties::jsonb from raw.events;
    get diagnostics n = row_count;
    return n;
end $$;
