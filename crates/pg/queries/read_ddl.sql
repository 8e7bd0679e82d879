-- Since: 14
SELECT
    id,
    at,
    pid,
    role,
    application,
    client,
    command,
    object_kind,
    identity,
    schema_name,
    relation_name,
    dropped,
    old_definition,
    xid,
    lsn::text,
    statement
FROM pgward.ddl_log
WHERE id > $1
ORDER BY id
LIMIT 10000
