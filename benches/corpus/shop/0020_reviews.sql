create table reviews (
    id bigserial primary key,
    product_id int not null references products on delete cascade,
    customer_id int references customers on delete set null,
    stars smallint not null check (stars between 1 and 5),
    body text,
    created_at timestamptz not null default now(),
    unique (product_id, customer_id)
);
create view product_ratings as
    select product_id, avg(stars)::numeric(3,2) as rating, count(*) as n
      from reviews group by product_id;
