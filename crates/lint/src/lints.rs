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
mod alter_type_refused;
mod alter_type_rewrites;
mod analyze_missing;
mod attach_partition_refused;
mod attach_partition_scans;
mod change_without_where;
mod column_twice_in_key;
mod concurrently_if_not_exists;
mod concurrently_in_transaction;
mod concurrently_on_partitioned;
mod concurrently_under_timeout;
mod constraint_not_validated;
mod create_index_blocks_writes;
mod create_table_locks_parent;
mod create_trigger;
mod default_partition_scans;
mod deferrable_key;
mod detach_partition_blocks;
mod disable_trigger;
mod domain_check_scans;
mod drop_before_replacement;
mod drop_cascade;
mod drop_column;
mod drop_index_blocks;
mod drop_key;
mod drop_locks_parent;
mod drop_not_null;
mod drop_object;
mod drop_schema;
mod drop_table;
mod drop_used_index;
mod duplicate_index;
mod foreign_key_types_differ;
mod foreign_key_without_index;
mod grant_broad;
mod index_method_refuses;
mod invalid_index;
mod leading_wildcard;
mod lock_table;
mod lock_timeout_missing;
mod many_indexes;
mod not_understood;
mod on_delete_cascade;
mod refresh_blocks_reads;
mod refresh_concurrently_refused;
mod reindex_blocks;
mod rename_column;
mod rename_table;
mod rewrite_storage;
mod set_not_null_scans;
mod several_passes;
mod steps_without_transaction;
mod timestamptz_by_session;
mod transaction_left_open;
mod truncate;
mod unique_may_fail;
mod unnamed_constraint;
mod unset_variable;
mod vacuum_full;
mod validate_in_same_transaction;
mod wide_index;

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
    &alter_type_refused::LINT,
    &alter_type_rewrites::LINT,
    &analyze_missing::LINT,
    &attach_partition_refused::LINT,
    &attach_partition_scans::LINT,
    &change_without_where::LINT,
    &column_twice_in_key::LINT,
    &concurrently_if_not_exists::LINT,
    &concurrently_in_transaction::LINT,
    &concurrently_on_partitioned::LINT,
    &concurrently_under_timeout::LINT,
    &constraint_not_validated::LINT,
    &create_index_blocks_writes::LINT,
    &create_table_locks_parent::LINT,
    &create_trigger::LINT,
    &default_partition_scans::LINT,
    &deferrable_key::LINT,
    &detach_partition_blocks::LINT,
    &disable_trigger::LINT,
    &domain_check_scans::LINT,
    &drop_before_replacement::LINT,
    &drop_cascade::LINT,
    &drop_column::LINT,
    &drop_index_blocks::LINT,
    &drop_key::LINT,
    &drop_locks_parent::LINT,
    &drop_not_null::LINT,
    &drop_object::LINT,
    &drop_schema::LINT,
    &drop_table::LINT,
    &drop_used_index::LINT,
    &duplicate_index::LINT,
    &foreign_key_types_differ::LINT,
    &foreign_key_without_index::LINT,
    &grant_broad::LINT,
    &index_method_refuses::LINT,
    &invalid_index::LINT,
    &leading_wildcard::LINT,
    &lock_table::LINT,
    &lock_timeout_missing::LINT,
    &many_indexes::LINT,
    &not_understood::LINT,
    &on_delete_cascade::LINT,
    &refresh_blocks_reads::LINT,
    &refresh_concurrently_refused::LINT,
    &reindex_blocks::LINT,
    &rename_column::LINT,
    &rename_table::LINT,
    &rewrite_storage::LINT,
    &set_not_null_scans::LINT,
    &several_passes::LINT,
    &steps_without_transaction::LINT,
    &timestamptz_by_session::LINT,
    &transaction_left_open::LINT,
    &truncate::LINT,
    &unique_may_fail::LINT,
    &unnamed_constraint::LINT,
    &unset_variable::LINT,
    &vacuum_full::LINT,
    &validate_in_same_transaction::LINT,
    &wide_index::LINT,
];

#[cfg(test)]
mod tests {
    use super::LINTS;
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
            assert!(lint.examples.iter().any(|e| !e.finds.is_empty()), "{}", lint.id);
            assert!(lint.examples.iter().any(|e| e.finds.is_empty()), "{}", lint.id);
            let strongest = lint.examples.iter().flat_map(|e| e.finds).max();
            assert!(strongest <= Some(&lint.severity), "{}", lint.id);
        }
    }
}
