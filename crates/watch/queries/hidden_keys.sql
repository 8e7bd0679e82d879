-- Sequences whose last value we have no right to see. Since: 14
SELECT pg_catalog.count(*)
FROM pg_catalog.pg_sequence q
WHERE q.seqincrement > 0
  AND NOT pg_catalog.has_sequence_privilege(q.seqrelid, 'SELECT, USAGE')
