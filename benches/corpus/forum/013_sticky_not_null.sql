alter table threads add constraint threads_sticky_set check (sticky is not null) not valid;
alter table threads validate constraint threads_sticky_set;
