create table shipping_rates (country char(2), max_weight_g int, price numeric(8,2) not null, primary key (country, max_weight_g));
insert into shipping_rates values ('DE', 1000, 3.99), ('DE', 5000, 5.99), ('AT', 1000, 7.90);
insert into categories (title, slug) values ('Gifts', 'gifts') on conflict (slug) do nothing;
