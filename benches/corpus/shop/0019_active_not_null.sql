set lock_timeout = '3s';
update products set active = false where active is null;
alter table products add constraint products_active_nn check (active is not null) not valid;
alter table products validate constraint products_active_nn;
alter table products alter column active set not null;
alter table products drop constraint products_active_nn;
reset lock_timeout;
