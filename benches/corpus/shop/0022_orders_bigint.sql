-- we will run out of ids in 2031, better now
alter table order_items alter column order_id type bigint;
alter table orders alter column id type bigint;
alter sequence orders_id_seq as bigint;
