alter schema mart rename to marts;
alter table marts.dim_user rename column segment to customer_segment;
alter table marts.dim_user alter column customer_segment set default 'new', alter column customer_segment type text;
alter materialized view marts.monthly rename to monthly_events;
refresh materialized view marts.monthly_events;
