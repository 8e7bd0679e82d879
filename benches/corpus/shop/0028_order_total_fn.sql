create or replace function order_total(p_order bigint) returns numeric language sql stable as $$
    select coalesce(sum(line_total), 0) from order_items where order_id = p_order
$$;
comment on function order_total(bigint) is 'without shipping; see shipping_rates';
