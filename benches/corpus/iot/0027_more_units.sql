INSERT INTO registry.unit VALUES ('V', 'volt'), ('A', 'ampere'), ('W', 'watt') ON CONFLICT (code) DO UPDATE SET label = excluded.label;
