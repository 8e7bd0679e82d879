create table orders_archive (like orders including defaults including indexes including comments);
with moved as (
    delete from orders
     where status in ('cancelled') and placed_at < now() - interval '3 years'
    returning *
)
insert into orders_archive select * from moved;
