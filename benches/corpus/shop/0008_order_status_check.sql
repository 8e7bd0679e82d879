alter table orders add constraint orders_status_check
    check (status in ('new', 'paid', 'shipped', 'cancelled', 'refunded')) not valid;
