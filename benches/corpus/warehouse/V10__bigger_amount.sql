alter table mart.fact_event alter column amount type numeric(18,2);
alter table mart.fact_event alter column event_type type varchar(60);
