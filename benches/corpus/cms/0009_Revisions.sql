CREATE TABLE page_revision (
  page_id int NOT NULL REFERENCES "Page" ("Id") ON DELETE CASCADE,
  rev int NOT NULL,
  body text,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (page_id, rev)
);
CREATE FUNCTION keep_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO page_revision (page_id, rev, body)
  SELECT OLD."Id", coalesce(max(rev), 0) + 1, OLD."Body" FROM page_revision WHERE page_id = OLD."Id";
  RETURN NEW;
END; $$;
CREATE TRIGGER keep_revision BEFORE UPDATE OF "Body" ON "Page" FOR EACH ROW EXECUTE FUNCTION keep_revision();
