create table mart.dim_date as
select d::date as day, extract(year from d)::int as year, extract(month from d)::int as month, extract(isodow from d)::int as dow
  from generate_series('2020-01-01'::date, '2022-12-31'::date, '1 day') d;
alter table mart.dim_date add primary key (day);
create table mart.dim_user (
    user_key  bigint generated always as identity primary key,
    user_id   bigint not null,
    valid     daterange not null default daterange(current_date, null),
    country   varchar(2),
    segment   varchar(20) default 'unknown',
    exclude using gist (valid with &&) where (user_id = 0)
);
