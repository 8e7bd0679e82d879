CREATE VIEW page_list AS SELECT p."Id", s."HostName" || p."Path" AS url, p."Title" FROM "Page" p JOIN "Site" s ON s."Id" = p."SiteId";
COMMENT ON VIEW page_list IS 'for the editor''s overview; ordered there';
CREATE FUNCTION page_list_insert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'read only'; END $$;
CREATE TRIGGER page_list_ro INSTEAD OF INSERT ON page_list FOR EACH ROW EXECUTE FUNCTION page_list_insert();
