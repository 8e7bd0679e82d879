do $$
declare n int;
begin
  loop
    update threads set sticky = false
     where thread_id in (select thread_id from threads where sticky is null limit 25);
    get diagnostics n = row_count;
    exit when n = 0;
  end loop;
end $$;
