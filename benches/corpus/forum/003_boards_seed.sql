insert into boards (title, position) values ('General', 1), ('Off topic', 2), ('Ankündigungen', 0);
insert into users (nick) select 'user_' || i from generate_series(1, 50) as i;
insert into threads (board_id, author_id, title) select 1 + i % 3, 1 + i % 50, 'Thread ' || i from generate_series(1, 100) i;
insert into posts (thread_id, author_id, body) select 1 + i % 100, 1 + i % 50, repeat('lorem ipsum ', 5) from generate_series(1, 1000) i;
