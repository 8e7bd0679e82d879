create materialized view mart.monthly as
select date_trunc('month', day)::date as month, event_type, count(*) as events, count(distinct user_key) as users
  from mart.fact_event group by 1, 2;
create unique index on mart.monthly (month, event_type);
create view mart.v_monthly_growth as
select month, event_type, events - lag(events) over (partition by event_type order by month) as growth from mart.monthly;
