//! `[policy]` of `pgward.toml`: what a team asks of its schema beyond what PostgreSQL needs.

use pgward_lint::{Names, Policy};
use regex::Regex;
use serde::Deserialize;
use toml::Spanned;

/// Every key is off where it is not written.
#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPolicy {
    require_application_name: bool,
    forbid_foreign_keys: bool,
    forbid_nullable_columns: bool,
    require_schema: bool,
    require_table_comments: bool,
    require_columns: Vec<String>,
    names: RawNames,
    forbid_types: Vec<String>,
    forbid_collations: Vec<String>,
    row_alignment: bool,
}

/// Regular expressions.
#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawNames {
    table: Option<Spanned<String>>,
    column: Option<Spanned<String>>,
    index: Option<Spanned<String>>,
    constraint: Option<Spanned<String>>,
}

/// The policy, its patterns understood.
///
/// # Errors
/// A pattern that is no regular expression, by `wrong`, with its place.
pub(super) fn read(
    raw: RawPolicy,
    wrong: &impl Fn(usize, &str) -> anyhow::Error,
) -> anyhow::Result<Policy> {
    let pattern = |text: Option<Spanned<String>>| -> anyhow::Result<Option<Regex>> {
        let Some(text) = text else { return Ok(None) };
        let at = text.span().start;
        let understood = Regex::new(text.get_ref());
        // The last line of the message says what; those before draw it.
        let what = |e: regex::Error| {
            let told = e.to_string();
            format!("no regular expression: {}", told.lines().last().unwrap_or("").trim())
        };
        understood.map(Some).map_err(|e| wrong(at, &what(e)))
    };
    Ok(Policy {
        require_application_name: raw.require_application_name,
        forbid_foreign_keys: raw.forbid_foreign_keys,
        forbid_nullable_columns: raw.forbid_nullable_columns,
        require_schema: raw.require_schema,
        require_table_comments: raw.require_table_comments,
        require_columns: raw.require_columns,
        names: Names {
            table: pattern(raw.names.table)?,
            column: pattern(raw.names.column)?,
            index: pattern(raw.names.index)?,
            constraint: pattern(raw.names.constraint)?,
        },
        forbid_types: raw.forbid_types,
        forbid_collations: raw.forbid_collations,
        row_alignment: raw.row_alignment,
    })
}
