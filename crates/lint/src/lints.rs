//! Every lint, one file each; the file's name is the lint's id.

mod add_check_scans;
mod add_column_not_null;
mod add_column_rewrites;
mod add_foreign_key_blocks;
mod add_unique_builds_index;
mod allow_unknown;
mod allow_unused;
mod allow_without_reason;
mod alter_system;
mod alter_type_narrows;
mod alter_type_refused;
mod alter_type_rewrites;
mod analyze_missing;
mod attach_partition_refused;
mod attach_partition_scans;
mod cached_plan_changes;
mod call_changes_rows;
mod change_without_join;
mod change_without_where;
mod char_type;
mod column_twice_in_key;
mod comment_unknown;
mod concurrently_corrupts_index;
mod concurrently_if_not_exists;
mod concurrently_in_transaction;
mod concurrently_on_partitioned;
mod concurrently_under_timeout;
mod constraint_not_validated;
mod copies_large_table;
mod create_extension;
mod create_index_blocks_writes;
mod create_table_locks_parent;
mod create_trigger;
mod default_changed;
mod default_partition_scans;
mod deferrable_key;
mod definer_search_path;
mod detach_partition_blocks;
mod detach_pending;
mod disable_trigger;
mod disk_too_small;
mod domain_check_scans;
mod drop_before_replacement;
mod drop_cascade;
mod drop_column;
mod drop_column_takes_index;
mod drop_index_blocks;
mod drop_key;
mod drop_locks_parent;
mod drop_not_null;
mod drop_object;
mod drop_schema;
mod drop_table;
mod drop_used_index;
mod duplicate_index;
mod enum_type;
mod enum_value_order;
mod enum_value_removed;
mod enum_value_used_early;
mod extension_update;
mod foreign_key_types_differ;
mod foreign_key_without_index;
mod framework_refuses;
mod freeze_behind;
mod function_replaced;
mod grant_broad;
mod hot_table;
mod identity_always;
mod idle_timeout_missing;
mod index_method_refuses;
mod insert_leaves_out;
mod insert_without_columns;
mod int_primary_key;
mod invalid_index;
mod isolation_set_late;
mod json_column;
mod key_near_end;
mod leading_wildcard;
mod lock_table;
mod lock_table_too_small;
mod lock_timeout_missing;
mod lock_timeout_not_shorter;
mod locks_many_tables;
mod loop_in_one_transaction;
mod many_indexes;
mod migration_edited;
mod migration_half_applied;
mod migration_out_of_order;
mod name_too_long;
mod nested_transaction;
mod not_null_may_fail;
mod not_understood;
mod old_transaction_in_the_way;
mod on_delete_cascade;
mod owner_changed;
mod policy_alignment;
mod policy_application_name;
mod policy_changed;
mod policy_columns;
mod policy_comment;
mod policy_foreign_key;
mod policy_name;
mod policy_nullable;
mod policy_schema;
mod policy_type;
mod refresh_blocks_reads;
mod refresh_concurrently_refused;
mod reindex_blocks;
mod rename_column;
mod rename_other;
mod rename_table;
mod replace_view_refused;
mod replicated_table_changes;
mod replication_identity;
mod rewrite_storage;
mod role_may_not;
mod schema_drift;
mod second_runner;
mod sequence_set_back;
mod serial_column;
mod session_setting_stays;
mod set_not_null_scans;
mod setting_unknown;
mod several_passes;
mod statement_refused;
mod statement_timeout_missing;
mod steps_without_transaction;
mod table_without_key;
mod timestamp_without_zone;
mod timestamptz_by_session;
mod transaction_left_open;
mod truncate;
mod unique_may_fail;
mod unnamed_constraint;
mod unset_variable;
mod vacuum_full;
mod validate_in_same_transaction;
mod varchar_limit;
mod wal_outruns_replica;
mod wide_index;
mod work_under_lock;
mod wraparound_vacuum_runs;
mod writes_restricted;

use crate::Lint;

/// All lints, in the order of their ids.
pub static LINTS: &[&Lint] = &[
    &add_check_scans::LINT,
    &add_column_not_null::LINT,
    &add_column_rewrites::LINT,
    &add_foreign_key_blocks::LINT,
    &add_unique_builds_index::LINT,
    &allow_unknown::LINT,
    &allow_unused::LINT,
    &allow_without_reason::LINT,
    &alter_system::LINT,
    &alter_type_narrows::LINT,
    &alter_type_refused::LINT,
    &alter_type_rewrites::LINT,
    &analyze_missing::LINT,
    &attach_partition_refused::LINT,
    &attach_partition_scans::LINT,
    &cached_plan_changes::LINT,
    &call_changes_rows::LINT,
    &change_without_join::LINT,
    &change_without_where::LINT,
    &char_type::LINT,
    &column_twice_in_key::LINT,
    &comment_unknown::LINT,
    &concurrently_corrupts_index::LINT,
    &concurrently_if_not_exists::LINT,
    &concurrently_in_transaction::LINT,
    &concurrently_on_partitioned::LINT,
    &concurrently_under_timeout::LINT,
    &constraint_not_validated::LINT,
    &copies_large_table::LINT,
    &create_extension::LINT,
    &create_index_blocks_writes::LINT,
    &create_table_locks_parent::LINT,
    &create_trigger::LINT,
    &default_changed::LINT,
    &default_partition_scans::LINT,
    &deferrable_key::LINT,
    &definer_search_path::LINT,
    &detach_partition_blocks::LINT,
    &detach_pending::LINT,
    &disable_trigger::LINT,
    &disk_too_small::LINT,
    &domain_check_scans::LINT,
    &drop_before_replacement::LINT,
    &drop_cascade::LINT,
    &drop_column::LINT,
    &drop_column_takes_index::LINT,
    &drop_index_blocks::LINT,
    &drop_key::LINT,
    &drop_locks_parent::LINT,
    &drop_not_null::LINT,
    &drop_object::LINT,
    &drop_schema::LINT,
    &drop_table::LINT,
    &drop_used_index::LINT,
    &duplicate_index::LINT,
    &enum_type::LINT,
    &enum_value_order::LINT,
    &enum_value_removed::LINT,
    &enum_value_used_early::LINT,
    &extension_update::LINT,
    &foreign_key_types_differ::LINT,
    &foreign_key_without_index::LINT,
    &framework_refuses::LINT,
    &freeze_behind::LINT,
    &function_replaced::LINT,
    &grant_broad::LINT,
    &hot_table::LINT,
    &identity_always::LINT,
    &idle_timeout_missing::LINT,
    &index_method_refuses::LINT,
    &insert_leaves_out::LINT,
    &insert_without_columns::LINT,
    &int_primary_key::LINT,
    &invalid_index::LINT,
    &isolation_set_late::LINT,
    &json_column::LINT,
    &key_near_end::LINT,
    &leading_wildcard::LINT,
    &lock_table::LINT,
    &lock_table_too_small::LINT,
    &lock_timeout_missing::LINT,
    &lock_timeout_not_shorter::LINT,
    &locks_many_tables::LINT,
    &loop_in_one_transaction::LINT,
    &many_indexes::LINT,
    &migration_edited::LINT,
    &migration_half_applied::LINT,
    &migration_out_of_order::LINT,
    &name_too_long::LINT,
    &nested_transaction::LINT,
    &not_null_may_fail::LINT,
    &not_understood::LINT,
    &old_transaction_in_the_way::LINT,
    &on_delete_cascade::LINT,
    &owner_changed::LINT,
    &policy_alignment::LINT,
    &policy_application_name::LINT,
    &policy_changed::LINT,
    &policy_columns::LINT,
    &policy_comment::LINT,
    &policy_foreign_key::LINT,
    &policy_name::LINT,
    &policy_nullable::LINT,
    &policy_schema::LINT,
    &policy_type::LINT,
    &refresh_blocks_reads::LINT,
    &refresh_concurrently_refused::LINT,
    &reindex_blocks::LINT,
    &rename_column::LINT,
    &rename_other::LINT,
    &rename_table::LINT,
    &replace_view_refused::LINT,
    &replicated_table_changes::LINT,
    &replication_identity::LINT,
    &rewrite_storage::LINT,
    &role_may_not::LINT,
    &schema_drift::LINT,
    &second_runner::LINT,
    &sequence_set_back::LINT,
    &serial_column::LINT,
    &session_setting_stays::LINT,
    &set_not_null_scans::LINT,
    &setting_unknown::LINT,
    &several_passes::LINT,
    &statement_refused::LINT,
    &statement_timeout_missing::LINT,
    &steps_without_transaction::LINT,
    &table_without_key::LINT,
    &timestamp_without_zone::LINT,
    &timestamptz_by_session::LINT,
    &transaction_left_open::LINT,
    &truncate::LINT,
    &unique_may_fail::LINT,
    &unnamed_constraint::LINT,
    &unset_variable::LINT,
    &vacuum_full::LINT,
    &validate_in_same_transaction::LINT,
    &varchar_limit::LINT,
    &wal_outruns_replica::LINT,
    &wide_index::LINT,
    &work_under_lock::LINT,
    &wraparound_vacuum_runs::LINT,
    &writes_restricted::LINT,
];

/// Lints that speak of a server in a state that no example makes: `tests/conditions.rs` stages it.
pub static STAGED: &[&str] = &[
    "concurrently_corrupts_index",
    "freeze_behind",
    "hot_table",
    "lock_table_too_small",
    "wraparound_vacuum_runs",
];

#[cfg(test)]
mod tests {
    use super::{LINTS, STAGED};
    use std::collections::BTreeSet;

    #[test]
    fn every_file_is_a_lint_and_has_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lints");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        let ids: BTreeSet<String> = LINTS.iter().map(|l| l.id.to_owned()).collect();
        assert_eq!(files, ids);
        assert_eq!(LINTS.len(), ids.len(), "an id is there twice");
    }

    #[test]
    fn every_lint_shows_what_it_finds_and_what_it_lets_pass() {
        for lint in LINTS {
            let found = lint.examples.iter().any(|e| !e.finds.is_empty());
            assert!(found != STAGED.contains(&lint.id), "{}", lint.id);
            assert!(lint.examples.iter().any(|e| e.finds.is_empty()), "{}", lint.id);
            let strongest = lint.examples.iter().flat_map(|e| e.finds).max();
            assert!(strongest <= Some(&lint.severity), "{}", lint.id);
        }
    }
}
