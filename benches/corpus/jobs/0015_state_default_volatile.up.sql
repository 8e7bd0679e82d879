create function jitter() returns interval language sql volatile as $$ select random() * interval '30 seconds' $$;
alter table job add column not_before timestamptz default now() + jitter();
alter table schedule add column created_at timestamptz not null default now();
