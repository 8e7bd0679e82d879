//! What a team asks of its schema beyond what PostgreSQL needs: `[policy]` of `pgward.toml`.

use regex::Regex;

/// All off by default.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// A file that changes something sets `application_name`.
    pub require_application_name: bool,
    pub forbid_foreign_keys: bool,
    /// New columns are NOT NULL.
    pub forbid_nullable_columns: bool,
    /// New tables and views are named with their schema.
    pub require_schema: bool,
    /// A new table has a comment.
    pub require_table_comments: bool,
    /// Columns that every new table has.
    pub require_columns: Vec<String>,
    pub names: Names,
    /// Types that no new column has, however they are spelled.
    pub forbid_types: Vec<String>,
    pub forbid_collations: Vec<String>,
    /// Note the bytes that an order of columns wastes.
    pub row_alignment: bool,
}

/// What new names look like; `None`: as one likes.
#[derive(Debug, Clone, Default)]
pub struct Names {
    pub table: Option<Regex>,
    pub column: Option<Regex>,
    pub index: Option<Regex>,
    pub constraint: Option<Regex>,
}
