CREATE INDEX CONCURRENTLY IF NOT EXISTS index_tasks_on_tenant_project ON app.tasks (tenant_id, project_id) INCLUDE (done);
CREATE INDEX CONCURRENTLY index_tasks_open ON app.tasks (assignee) WHERE NOT done;
