alter table users alter column is_admin drop default;
alter table users alter column is_admin type boolean using (is_admin = 'Y');
alter table users alter column is_admin set default false;
alter table users alter column is_admin set not null;
