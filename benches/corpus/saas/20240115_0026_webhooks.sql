CREATE TABLE app.webhooks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES app.tenants ON DELETE CASCADE,
    url text NOT NULL CHECK (url ~ '^https://'),
    secret bytea NOT NULL DEFAULT public.gen_random_bytes(32),
    events text[] NOT NULL DEFAULT '{}'
);
ALTER TABLE app.webhooks ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON app.webhooks USING (tenant_id = public.current_tenant());
CREATE POLICY support_reads ON app.webhooks FOR SELECT TO saas_readonly USING (true);
