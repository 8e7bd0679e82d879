alter table customers drop column if exists phone, drop column if exists fax;
drop index if exists customers_phone_idx;
drop table if exists sessions;
