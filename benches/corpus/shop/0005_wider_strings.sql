alter table customers alter column email type varchar(255);
alter table customers alter column name type text;
alter table products alter column title type varchar(300), alter column sku type varchar(64);
