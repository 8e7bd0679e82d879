CREATE TABLE menu (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  parent int REFERENCES menu,
  label text NOT NULL,
  page_id int REFERENCES "Page" ON DELETE SET NULL,
  CHECK (parent <> id)
);
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x WHERE n < 4)
INSERT INTO menu (label) SELECT 'Entry ' || n FROM x;
UPDATE menu SET page_id = (SELECT min("Id") FROM "Page");
