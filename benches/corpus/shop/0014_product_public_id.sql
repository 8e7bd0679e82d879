alter table products add column public_id uuid not null default gen_random_uuid();
alter table products add constraint products_public_id_key unique (public_id);
