-- Pages of subtransactions and multixacts that were looked up and found in memory, or read from
-- a file; of the whole cluster. The names were respelled in 17. Since: 14
SELECT
    pg_catalog.sum(s.blks_hit + s.blks_read) FILTER (WHERE s.name ILIKE 'subtrans%')::bigint,
    pg_catalog.sum(s.blks_read) FILTER (WHERE s.name ILIKE 'subtrans%')::bigint,
    pg_catalog.sum(s.blks_hit + s.blks_read) FILTER (WHERE s.name ILIKE 'multixact%')::bigint,
    pg_catalog.sum(s.blks_read) FILTER (WHERE s.name ILIKE 'multixact%')::bigint
FROM pg_catalog.pg_stat_slru s
