begin;
alter table users rename to members;
alter table members rename column user_id to member_id;
alter sequence users_user_id_seq rename to members_member_id_seq;
alter index users_pkey rename to members_pkey;
create view users as select member_id as user_id, nick, joined, karma, is_admin from members;
commit;
