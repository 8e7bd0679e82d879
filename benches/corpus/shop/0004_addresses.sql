create table addresses (
    id serial primary key,
    customer_id int not null references customers (id) on delete cascade,
    line1 text not null,
    line2 text,
    zip varchar(12),
    city text not null,
    country char(2) not null default 'DE'
);
create index addresses_customer_idx on addresses (customer_id);
alter table orders add column shipping_address_id int references addresses (id);
alter table orders add column billing_address_id int references addresses (id);
