alter table orders
    add column coupon_code text,
    add column discount numeric(12,2) not null default 0;
alter table orders add constraint orders_coupon_fk foreign key (coupon_code) references coupons (code) not valid;
alter table orders validate constraint orders_coupon_fk;
