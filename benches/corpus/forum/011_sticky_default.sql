alter table threads alter column sticky set default false;
