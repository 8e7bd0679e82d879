SELECT set_config('app.tenant', '1', false);
WITH t AS (
    INSERT INTO app.tenants (name, plan) VALUES ('Demo Ltd; do not delete', 'team') RETURNING id
), u AS (
    INSERT INTO app.users (tenant_id, email, password_digest)
    SELECT id, 'demo@example.com', public.crypt('demo', public.gen_salt('bf', 4)) FROM t RETURNING id, tenant_id
)
INSERT INTO app.projects (tenant_id, title) SELECT tenant_id, 'Getting started' FROM u;
