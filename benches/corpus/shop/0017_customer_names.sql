alter table customers add column first_name text, add column last_name text;
update customers set first_name = split_part(name, ' ', 1), last_name = substr(name, length(split_part(name, ' ', 1)) + 2);
alter table customers rename column name to display_name;
