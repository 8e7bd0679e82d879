//! The way back of a statement, said before it runs.

use pgward_model::prelude::*;

/// placeholder while compiling
pub fn inverse(_statement: &Statement, _before: Option<&Catalog>) -> Undo {
    Undo::Nothing
}
