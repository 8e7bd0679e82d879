CREATE OR REPLACE FUNCTION app.invite(p_email text, p_tenant integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = app, public, pg_temp
AS $function$
DECLARE
    v_id bigint;
BEGIN
    INSERT INTO users (tenant_id, email) VALUES (p_tenant, p_email)
    ON CONFLICT (tenant_id, email) DO NOTHING
    RETURNING id INTO v_id;
    RETURN v_id;
END;
$function$;
REVOKE ALL ON FUNCTION app.invite(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.invite(text, integer) TO saas_app;
