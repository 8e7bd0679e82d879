drop materialized view mart.monthly cascade;
drop table mart.fact_event_old;
