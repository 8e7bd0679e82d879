create table warehouses (
    id int generated always as identity primary key,
    name text not null unique
);
create table inventory (
    warehouse_id int not null references warehouses,
    product_id int not null references products,
    qty int not null default 0 check (qty >= 0),
    primary key (warehouse_id, product_id)
);
insert into warehouses (name) values ('main');
insert into inventory (warehouse_id, product_id, qty)
select w.id, p.id, greatest(p.stock, 0) from products p cross join warehouses w where w.name = 'main';
