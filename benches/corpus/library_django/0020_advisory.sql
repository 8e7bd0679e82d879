SELECT pg_advisory_lock(4711);
CREATE TABLE IF NOT EXISTS schema_version (version int PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now());
INSERT INTO schema_version (version) VALUES (20) ON CONFLICT (version) DO UPDATE SET applied = excluded.applied;
SELECT pg_advisory_unlock(4711);
