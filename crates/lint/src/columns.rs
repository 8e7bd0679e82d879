//! The columns that a change defines.

use crate::Lint;
use crate::context::{Context, Site};
use crate::users::listed;
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter, CreateTable, NewColumn};

/// A column of a new table, or a new one of a table that is there.
pub(crate) struct Defined<'a> {
    pub(crate) site: &'a Site<'a>,
    pub(crate) relation: &'a Relation,
    pub(crate) column: &'a NewColumn,
    /// The table that is made with it.
    pub(crate) table: Option<&'a CreateTable>,
}

/// Every column that CREATE TABLE and ADD COLUMN define, those of temporary tables left out.
pub(crate) fn defined<'a>(cx: &'a Context) -> Vec<Defined<'a>> {
    let mut found = Vec::new();
    for site in &cx.sites {
        for action in &site.actions {
            match action {
                Action::CreateTable(t) if !t.temporary => {
                    found.extend(t.columns.iter().map(|column| Defined {
                        site,
                        relation: &t.relation,
                        column,
                        table: Some(t),
                    }));
                }
                Action::Alter { relation, command: Alter::AddColumn { column, .. }, .. } => {
                    found.push(Defined { site, relation, column, table: None });
                }
                _ => {}
            }
        }
    }
    found
}

/// Is it one of these types, named as [`pgward_sql::base_type`] does?
pub(crate) fn is_one_of(data_type: &str, names: &[&str]) -> bool {
    names.contains(&pgward_sql::base_type(data_type).as_str())
}

/// Columns of the primary key that the table is made with.
pub(crate) fn primary_key(t: &CreateTable) -> Vec<String> {
    let inline = t.columns.iter().flat_map(|c| &c.constraints);
    let key = inline.chain(&t.constraints).find(|k| k.kind == 'p');
    key.map(|k| k.columns.clone()).unwrap_or_default()
}

/// One note a statement, which names the columns.
pub(crate) fn tell(lint: &Lint, of: &[Defined], found: &mut Vec<Finding>) {
    for together in of.chunk_by(|a, b| a.site.index == b.site.index) {
        let name = |d: &Defined| format!("{}.{} {}", d.relation, d.column.name, d.column.data_type);
        let names: Vec<String> = together.iter().map(name).collect();
        let Some(first) = together.first() else { continue };
        found.push(first.site.finding(lint, Severity::Note, listed(&names)));
    }
}
