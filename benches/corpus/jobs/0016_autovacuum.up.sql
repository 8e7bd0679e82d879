alter table job set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
alter table job alter column payload set storage extended;
alter table queue set (fillfactor = 60);
