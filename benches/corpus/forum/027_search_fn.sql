create function search_posts(q text, max_rows int default 20) returns table (post_id bigint, rank real) language sql stable as $$
  select p.post_id, ts_rank(p.tsv, websearch_to_tsquery('simple', q)) from posts p
   where p.tsv @@ websearch_to_tsquery('simple', q) order by 2 desc limit max_rows
$$;
