update orders o
   set total = coalesce((select sum(qty * unit_price) from order_items i where i.order_id = o.id), 0)
 where total is null;
alter table orders alter column total set not null;
