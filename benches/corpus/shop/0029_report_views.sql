create view daily_revenue as
    select placed_at::date as day, sum(total) as revenue, count(*) as orders from orders where status <> 'cancelled' group by 1;
create or replace view low_stock as
    select p.sku, p.title, sum(i.qty) as qty from products p join inventory i on i.product_id = p.id group by 1, 2 having sum(i.qty) < 5;
