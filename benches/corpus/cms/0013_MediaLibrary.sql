CREATE TYPE media_kind AS ENUM ('image', 'video', 'document');
CREATE TABLE media (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  kind media_kind NOT NULL,
  file_name text COLLATE "C" NOT NULL,
  bytes int NOT NULL CHECK (bytes >= 0),
  alt text,
  PRIMARY KEY (id)
);
CREATE TABLE page_media (page_id int NOT NULL REFERENCES "Page", media_id uuid NOT NULL REFERENCES media, pos smallint);
COMMENT ON TABLE media IS E'files in the bucket\nnever delete; mark as hidden';
