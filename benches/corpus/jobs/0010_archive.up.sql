create table job_archive (like job including defaults including identity including comments);
alter table job_archive add constraint job_archive_pkey primary key (id);

create procedure archive_done(batch int)
language plpgsql as $$
declare n int;
begin
    loop
        with gone as (
            delete from job where id in (select id from job where state in ('done', 'failed') order by id limit batch)
            returning *
        )
        insert into job_archive overriding system value select * from gone;
        get diagnostics n = row_count;
        exit when n = 0;
        commit;
    end loop;
end
$$;

call archive_done(1000);
