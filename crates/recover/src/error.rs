//! What can go wrong in a recovery, each with the object it happened to and the way out.

use pgward_model::name::Relation;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Pg(#[from] pgward_pg::error::Error),
    #[error(transparent)]
    Sandbox(#[from] pgward_sandbox::error::Error),
    #[error("{action} cannot be planned: {why}")]
    Plan { action: &'static str, why: String },
    #[error("{action} waits: {why}")]
    NotYet { action: &'static str, why: String },
    #[error("{}: {what}", path.display())]
    File {
        path: PathBuf,
        what: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("{relation}: not there at {point} either")]
    NotOnSide { relation: Relation, point: String },
    #[error("{relation}: has no rows on the side server either, so that was not its moment")]
    EmptyOnSide { relation: Relation },
    #[error("{filled} came back, {failed} did not")]
    Partly {
        filled: String,
        failed: String,
        #[source]
        first: Box<Error>,
    },
    #[error("{relation}: exists in production, so nothing is restored over it")]
    Exists { relation: Relation },
    #[error("{relation}: no such table in production")]
    NotInProduction { relation: Relation },
    #[error("restored, but still missing: {}", missing.join(", "))]
    Incomplete { missing: Vec<String> },
    #[error("{relation}: has no primary key, so its rows cannot be told apart")]
    NoPrimaryKey { relation: Relation },
    #[error("transaction {xid}: {why}")]
    Transaction { xid: u64, why: String },
    #[error("{relation}, block {block}: {why}")]
    Block { relation: Relation, block: u32, why: String },
    #[error("{target}: {why}")]
    NotLocal { target: String, why: String },
}

impl Error {
    /// The moment was wrong, another may be right: the session meant had changed, the lock was
    /// not to be had, or clients would have waited too long.
    pub fn is_momentary(&self) -> bool {
        use pgward_pg::error::Error as Pg;
        match self {
            Error::NotYet { .. } => true,
            Error::Partly { first, .. } => first.is_momentary(),
            Error::Pg(Pg::NotNow { .. } | Pg::WaitersBehind { .. }) => true,
            Error::Pg(error) => error.sqlstate() == Some("55P03"),
            _ => false,
        }
    }

    /// The way out, where there is one.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::Pg(error) => return error.hint(),
            Error::Sandbox(error) => return error.hint(),
            Error::Partly { first, .. } => return first.hint(),
            Error::NotOnSide { .. } | Error::EmptyOnSide { .. } => {
                "name an earlier LSN or an older backup"
            }
            Error::Exists { .. } => {
                "rename the one that is there first: ALTER TABLE ... RENAME TO ..."
            }
            Error::NoPrimaryKey { .. } => {
                "restore the whole table from a side server under another name and compare"
            }
            Error::NotLocal { .. } => "run this on the server's own machine",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
