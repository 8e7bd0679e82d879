drop view if exists low_stock;
create table wishlists (customer_id int not null references customers on delete cascade, product_id int not null references products on delete cascade, added timestamptz default now(), primary key (customer_id, product_id));
