alter table order_items add column line_total numeric(14,2) generated always as (qty * unit_price) stored;
create index concurrently order_items_product_idx on order_items (product_id);
