create unique index concurrently if not exists products_sku_uniq on products (sku);
alter table products add constraint products_sku_key unique using index products_sku_uniq;
