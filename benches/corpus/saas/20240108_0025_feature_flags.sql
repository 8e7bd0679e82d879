CREATE TABLE app.feature_flags (name text PRIMARY KEY, enabled boolean NOT NULL DEFAULT false, rollout smallint CHECK (rollout BETWEEN 0 AND 100));
INSERT INTO app.feature_flags VALUES ('kanban', true, 100), ('ai_summary', false, 0);
GRANT SELECT ON app.feature_flags TO saas_app;
