alter table threads alter column sticky set not null, drop constraint threads_sticky_set;
