create table attachments (
  attachment_id uuid primary key default gen_random_uuid(),
  post_id bigint not null references posts on delete cascade,
  filename text not null,
  bytes bigint not null check (bytes > 0),
  sha256 bytea not null check (octet_length(sha256) = 32)
);
create index on attachments (post_id);
create index attachments_sha on attachments using hash (sha256);
