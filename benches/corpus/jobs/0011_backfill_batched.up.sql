alter table job add column tenant int;
do $$
declare
    lo bigint := 0;
    hi bigint;
begin
    select max(id) into hi from job;
    while lo <= coalesce(hi, -1) loop
        update job set tenant = coalesce((payload->>'tenant')::int, 0) where id > lo and id <= lo + 50;
        lo := lo + 50;
    end loop;
end $$;
alter table job alter column tenant set default 0;
alter table job alter column tenant set not null;
