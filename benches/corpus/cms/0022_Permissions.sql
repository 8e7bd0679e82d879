DO $$ BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'cms_editor') THEN CREATE ROLE cms_editor; END IF;
END $$;
GRANT SELECT, INSERT, UPDATE ("Title", "Body") ON "Page" TO cms_editor;
GRANT cms_editor TO CURRENT_USER;
ALTER TABLE menu OWNER TO cms_editor;
ALTER ROLE cms_editor SET search_path = public;
