create type retry_policy as (base interval, factor numeric, max_delay interval);
alter table queue add column retry retry_policy;
update queue set retry = row('10 seconds', 2, '1 hour')::retry_policy;
alter type retry_policy add attribute jitter boolean;
