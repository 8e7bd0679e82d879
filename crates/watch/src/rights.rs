//! What a role may and a server keeps, so that `pgward doctor` can say what more would bring.

use crate::error::Error;
use pgward_pg::session::{Session, get};

/// One right or setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    pub what: String,
    pub fulfilled: bool,
    /// What it is good for.
    pub brings: String,
    /// How to get it.
    pub cure: String,
}

/// All of them, for the role and server of `session`.
///
/// # Errors
/// As [`Session::query`].
pub fn read(session: &Session) -> Result<Vec<Right>, Error> {
    let rows = session.query(include_str!("../queries/rights.sql"), &[])?;
    let read = |row| {
        Ok(Right {
            what: get(row, 0)?,
            fulfilled: get(row, 1)?,
            brings: get(row, 2)?,
            cure: get(row, 3)?,
        })
    };
    rows.iter().map(read).collect()
}
