//! What SQL over the history answers, and what tables there are to ask.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Columns, and rows of as many cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Answer {
    /// Names, in order, no two the same.
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
    /// There were more rows than wanted.
    pub is_cut: bool,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    Null,
    Yes(bool),
    /// As written in SQL, exact.
    Number(String),
    /// Also a moment or a duration, as text.
    Text(String),
    List(Vec<Cell>),
}

/// A table of the history, and what is kept in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptTable {
    pub name: String,
    /// What a row is.
    pub about: String,
    pub columns: Vec<KeptColumn>,
    /// `None` where counting took too long.
    pub kept: Option<Kept>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptColumn {
    pub name: String,
    /// As PostgreSQL names it.
    pub kind: String,
    pub about: String,
}

/// Rows of a table, and the time they are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub n_rows: u64,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}
