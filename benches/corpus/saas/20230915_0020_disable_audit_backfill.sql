BEGIN;
SET LOCAL statement_timeout = '10min';
ALTER TABLE app.tasks DISABLE TRIGGER USER;
UPDATE app.tasks SET position = s.rn
  FROM (SELECT id, row_number() OVER (PARTITION BY project_id ORDER BY id) AS rn FROM app.tasks) s
 WHERE s.id = tasks.id AND position IS NULL;
ALTER TABLE app.tasks ENABLE TRIGGER USER;
COMMIT;
