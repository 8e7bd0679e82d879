comment on column orders.discount is 'already subtracted from total';
comment on column products.public_id is 'used in urls; never show products.id';
comment on table inventory is 'one row per warehouse and product';
