alter table raw.events
    alter column properties type jsonb using properties::jsonb,
    alter column event_time type timestamptz using event_time::timestamptz,
    alter column user_id type bigint using user_id::bigint;
create index events_props on raw.events using gin (properties);
