create materialized view bestsellers as
    select p.id, p.title, sum(i.qty) as sold
      from products p join order_items i on i.product_id = p.id
     group by p.id, p.title
  with no data;
create unique index bestsellers_id on bestsellers (id);
refresh materialized view bestsellers;
refresh materialized view concurrently bestsellers;
