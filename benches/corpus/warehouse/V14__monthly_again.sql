create materialized view if not exists mart.monthly as
select date_trunc('month', day)::date as month, event_type, count(*) as events, sum(amount) as amount
  from mart.fact_event group by 1, 2
with no data;
