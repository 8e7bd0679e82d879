ALTER TABLE media ALTER COLUMN bytes TYPE bigint;
ALTER TABLE media ALTER COLUMN file_name TYPE varchar(255);
ALTER TABLE media ADD COLUMN hidden boolean NOT NULL DEFAULT false, ADD COLUMN etag char(32);
