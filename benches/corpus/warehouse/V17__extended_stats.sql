create statistics mart.fact_event_type_day on event_type, day from mart.fact_event_2022;
analyze mart.fact_event;
alter statistics mart.fact_event_type_day set statistics 200;
