create table raw.events (
    event_id    text,
    event_time  text,
    user_id     text,
    properties  text,
    loaded_at   timestamp default current_timestamp
);
create table raw.exchange_rates (day date, currency char(3), rate numeric(12,6), primary key (day, currency));
create unlogged table staging.events_typed (
    event_id uuid, event_time timestamptz, user_id bigint, properties jsonb
);
