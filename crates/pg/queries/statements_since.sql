-- Since when calls of each statement are counted: since the last reset of them all. Since: 14
SELECT i.stats_reset FROM pg_stat_statements_info i
