INSERT INTO "Site" ("Host Name", "Theme") VALUES ('example.org', 'plain'), ('blog.example.org', $$it's "dark"; really$$);
INSERT INTO "Page" ("SiteId", "Path", "Title", "Body")
  SELECT s."Id", '/p/' || n, 'Page ' || n, E'# Title\n\nsome; text -- not a comment' FROM "Site" s, generate_series(1, 60) n;
INSERT INTO "Straße" VALUES (1, 'crème', '2024-02-29');
