create table worker (
    id uuid primary key default gen_random_uuid(),
    host text not null,
    pid int not null,
    beat timestamptz not null default now(),
    unique (host, pid)
) with (fillfactor = 50);
alter table job add column worker_id uuid references worker (id) on delete set null;
