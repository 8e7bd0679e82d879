alter table staging.events_typed set logged;
alter table raw.exchange_rates set unlogged;
