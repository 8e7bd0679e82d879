refresh materialized view concurrently mart.monthly;
