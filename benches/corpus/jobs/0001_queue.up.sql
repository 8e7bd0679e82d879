create type job_state as enum ('queued', 'running', 'done', 'failed');

create table queue (
    name text primary key,
    max_attempts int not null default 5
);

create table job (
    id bigint generated always as identity primary key,
    queue text not null references queue (name),
    state job_state not null default 'queued',
    payload jsonb not null default '{}'::jsonb,
    run_at timestamptz not null default now(),
    attempts int not null default 0,
    last_error text
);

create index job_fetch_idx on job (queue, run_at) where state = 'queued';
