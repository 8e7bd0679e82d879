create temporary table incoming (user_id bigint, country varchar(2));
insert into incoming values (3, 'FR'), (99, 'AT');
merge into mart.dim_user u
using incoming i on u.user_id = i.user_id
when matched and u.country is distinct from i.country then update set country = i.country
when not matched then insert (user_id, country) values (i.user_id, i.country);
drop table incoming;
