insert into boards (title, position, slug) values ('Help', 3, 'help'), ('Feedback', 4, 'feedback');
update boards set position = position + 1 where position > 3;
