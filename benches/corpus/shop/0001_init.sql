-- initial schema for the shop
create table customers (
    id serial primary key,
    email varchar(120) not null,
    name varchar(80),
    phone varchar(20),
    created_at timestamp not null default now()
);

create table categories (
    id serial primary key,
    parent_id int references categories(id),
    title varchar(100) not null,
    slug varchar(100) not null unique
);

create table products (
    id serial primary key,
    category_id int references categories(id),
    sku varchar(32) not null,
    title varchar(200) not null,
    description text,
    price numeric(8,2) not null,
    stock int not null default 0,
    active boolean default true
);

create table orders (
    id serial primary key,
    customer_id int not null references customers(id),
    status varchar(16) not null default 'new',
    total numeric(10,2),
    placed_at timestamp default now(),
    notes text
);

create table order_items (
    id serial primary key,
    order_id int not null references orders(id) on delete cascade,
    product_id int not null references products(id),
    qty int not null,
    unit_price numeric(8,2) not null
);

create index on orders (customer_id);
create index order_items_order_idx on order_items (order_id);
