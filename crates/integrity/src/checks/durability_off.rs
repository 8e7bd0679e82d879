//! Settings of an emergency that nobody took back.

use super::{Check, rows_are_problems};

pub(super) static CHECK: Check = Check {
    id: "durability_off",
    title: "a safety of the server is switched off",
    doc: "Without fsync or full_page_writes a crash loses or tears data; zero_damaged_pages, \
          ignore_checksum_failure and ignore_system_indexes hide damage. Take the setting back, \
          restart where it needs one, then scan.",
    rights: "no rights",
    cost: "one pass over pg_settings, about 5 ms",
    sql: SQL,
    run: |session| rows_are_problems(session, CHECK.id, SQL),
};

const SQL: &str = "\
SELECT NULL::text,
       NULL::text,
       pg_catalog.format('%s = %s (from %s)', name, setting, source),
       1::float8,
       'settings'
FROM pg_catalog.pg_settings
WHERE (name IN ('fsync', 'full_page_writes') AND setting = 'off')
   OR (name IN ('zero_damaged_pages', 'ignore_checksum_failure', 'ignore_invalid_pages',
                'ignore_system_indexes', 'allow_system_table_mods') AND setting = 'on')
ORDER BY name";
