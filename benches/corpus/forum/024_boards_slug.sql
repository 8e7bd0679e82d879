alter table boards add column slug text;
update boards set slug = regexp_replace(lower(title), '[^a-z0-9]+', '-', 'g');
alter table boards alter slug set not null, add unique (slug);
