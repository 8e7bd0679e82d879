create table coupons (
    code text primary key check (code = upper(code)),
    percent_off int check (percent_off between 1 and 100),
    amount_off numeric(12,2),
    valid tsrange not null default tsrange(now()::timestamp, null),
    check (num_nonnulls(percent_off, amount_off) = 1)
);
create table coupon_uses (
    coupon_code text not null references coupons,
    order_id int not null references orders,
    used_at timestamptz not null default now(),
    primary key (coupon_code, order_id)
);
comment on table coupons is 'discount codes; either a percentage or an amount, never both';
insert into coupons (code, percent_off) values ('WELCOME10', 10), ('SUMMER', 15);
