insert into categories (title, slug) values
    ('Books', 'books'),
    ('Music', 'music'),
    ('Garden; tools & more', 'garden');
insert into categories (parent_id, title, slug)
select id, 'Used ' || title, 'used-' || slug from categories where slug in ('books', 'music');
