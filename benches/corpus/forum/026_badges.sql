create table badges (badge_id serial primary key, name text not null unique, icon text);
create table member_badges (member_id bigint not null references members, badge_id int not null references badges, granted date not null default current_date, primary key (member_id, badge_id));
insert into badges (name) values ('first post'), ('helpful'), ('veteran; ten years');
insert into member_badges (member_id, badge_id) select member_id, 1 from members where karma > 100;
