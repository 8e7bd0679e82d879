-- Size of pg_wal, and the segments that wait for the archiver. Needs pg_monitor. Since: 14
SELECT
    (SELECT coalesce(pg_catalog.sum(w.size), 0)::float8 FROM pg_catalog.pg_ls_waldir() w),
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_ls_archive_statusdir() f
     WHERE f.name LIKE '%.ready')
