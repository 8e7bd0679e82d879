create schema if not exists raw;
create schema if not exists staging;
create schema if not exists mart;
comment on schema raw is 'as delivered; never edit by hand';
comment on schema mart is 'what the dashboards read';
