create table mart.fact_event (
    event_id uuid not null,
    day date not null references mart.dim_date,
    user_key bigint not null,
    event_type varchar(30) not null,
    amount numeric(10,2),
    duration_s int
);
create index fact_event_day_brin on mart.fact_event using brin (day);
create index fact_event_user on mart.fact_event using hash (user_key);
