CREATE OR REPLACE VIEW editor_stats AS SELECT page_id, count(*) AS revisions, max(at) AS last FROM page_revision GROUP BY page_id;
GRANT SELECT ON editor_stats, redirect TO cms_editor;
COMMENT ON COLUMN "Page"."Body" IS $x$markdown; "raw html" is filtered -- see $$render()$$ $x$;
