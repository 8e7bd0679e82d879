begin;
create temp table dup on commit drop as
select event_id, min(ctid) as keep from raw.events group by event_id having count(*) > 1;
delete from raw.events e using dup d where e.event_id = d.event_id and e.ctid <> d.keep;
commit;
alter table raw.events alter column event_id set not null;
alter table raw.events add constraint events_pk primary key (event_id);
