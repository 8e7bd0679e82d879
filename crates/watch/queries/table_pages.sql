-- Pages in the files of tables ($1: oids); NULL for one that is gone. Takes ACCESS SHARE on each.
-- Since: 14
SELECT
    o.oid,
    pg_catalog.pg_relation_size(o.oid::regclass)
    / pg_catalog.current_setting('block_size')::bigint
FROM pg_catalog.unnest($1::oid[]) AS o (oid)
