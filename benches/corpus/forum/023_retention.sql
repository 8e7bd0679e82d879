delete from post_revisions r using posts p where p.post_id = r.post_id and p.posted < now() - interval '2 years';
delete from messages where sent < '2015-01-01';
