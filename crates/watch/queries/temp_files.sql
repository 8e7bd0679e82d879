-- Temporary files of the server by the backend that writes them. Since: 14
SELECT
    (pg_catalog.regexp_match(t.name, '^pgsql_tmp(\d+)\.'))[1]::integer AS pid,
    pg_catalog.sum(t.size)::bigint
FROM pg_catalog.pg_ls_tmpdir() t
WHERE t.name ~ '^pgsql_tmp\d+\.'
GROUP BY 1
ORDER BY 2 DESC
LIMIT 200
