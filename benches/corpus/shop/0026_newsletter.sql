create table newsletter_subscribers (
    email text primary key,
    confirmed_at timestamptz,
    token uuid not null default gen_random_uuid()
);
create table newsletter_issues (id serial primary key, subject text not null, html text, sent_at timestamptz);
