CREATE TABLE app.plans (
    kind app.plan_kind PRIMARY KEY,
    max_users integer,
    price_cents integer NOT NULL DEFAULT 0
);
INSERT INTO app.plans VALUES ('free', 3, 0), ('team', 50, 4900), ('enterprise', NULL, 49900);
COMMENT ON TABLE app.plans IS $c$prices in cents; NULL max_users means "unlimited"$c$;
