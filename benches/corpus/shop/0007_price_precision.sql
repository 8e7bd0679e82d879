-- yen prices overflowed
alter table products alter column price type numeric(12,2);
alter table order_items alter column unit_price type numeric(12,2);
alter table orders alter column total type numeric(14,4);
