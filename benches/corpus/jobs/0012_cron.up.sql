create table schedule (
    id serial primary key,
    queue text not null references queue on update cascade,
    spec text not null,
    payload jsonb not null default '{}',
    next_run timestamptz,
    enabled bool not null default true
);
comment on column schedule.spec is 'five fields, as in crontab(5)';
