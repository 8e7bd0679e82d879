-- fact_event becomes partitioned by year: new table, copy, swap
begin;
alter table mart.fact_event rename to fact_event_old;
create table mart.fact_event (like mart.fact_event_old including defaults) partition by range (day);
create table mart.fact_event_2021 partition of mart.fact_event for values from ('2021-01-01') to ('2022-01-01');
create table mart.fact_event_2022 partition of mart.fact_event for values from ('2022-01-01') to ('2023-01-01');
insert into mart.fact_event select * from mart.fact_event_old;
commit;
