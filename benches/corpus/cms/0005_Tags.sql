/* block comment; with /* a nested one; */ and a quote ' */
CREATE TABLE tag (name text PRIMARY KEY, created_at timestamptz DEFAULT now());
CREATE TABLE page_tag (page_id int REFERENCES "Page" ("Id") ON DELETE CASCADE, tag text REFERENCES tag ON UPDATE CASCADE, PRIMARY KEY (page_id, tag));
INSERT INTO tag (name) SELECT unnest('{news,howto,"release notes"}'::text[]);
