//! What can go wrong on the way to production, each with the object it happened to.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Pg(#[from] pgward_pg::error::Error),
    #[error("clone for the rehearsal: {0}")]
    Sandbox(#[from] pgward_sandbox::error::Error),
    #[error("change {change_id}: the {layer} layer refused it; nothing was sent to production")]
    GateClosed { change_id: String, layer: &'static str },
    #[error("change {change_id}: it was not rehearsed: {why}; nothing was sent to production")]
    NotRehearsed { change_id: String, why: String },
    #[error("change {change_id}: {why}")]
    Refused { change_id: String, why: String, way_out: String },
    #[error("change {change_id}: the journal cannot be kept")]
    NoJournal {
        change_id: String,
        #[source]
        source: pgward_pg::error::Error,
    },
    #[error("change {change_id}: the journal of this database does not know it")]
    Unknown { change_id: String },
    #[error("change {change_id}: undoing it loses data or is not possible: {}", losses.join("; "))]
    Loses { change_id: String, losses: Vec<String> },
    #[error("{}: {what}", path.display())]
    Folder {
        path: PathBuf,
        what: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("{}: more than {limit} below this folder", path.display())]
    FolderTooLarge { path: PathBuf, limit: &'static str },
}

impl Error {
    /// The way out, where there is one.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::Pg(error) => return error.hint(),
            Error::Sandbox(error) => return error.hint(),
            Error::GateClosed { .. } => "read its findings, correct the change and check it again",
            Error::NotRehearsed { .. } => {
                "the clone needs a server of the same major here (apt-get install postgresql-NN) \
                 and a backup in the vault or the right to read the tables (GRANT \
                 pg_read_all_data); or leave the rehearsal out: --without rehearsal"
            }
            Error::Refused { way_out, .. } => way_out,
            Error::NoJournal { .. } => {
                "run `pgward install` as a role that may create a schema in this database, then \
                 what `pgward doctor --deploy-rights ROLE` prints; without a journal no step could \
                 be taken back"
            }
            Error::Unknown { .. } => {
                "only what went through `pgward apply` can be undone; the table pgward.changes lists it"
            }
            Error::Loses { .. } => "give --accept-loss to undo what can be undone all the same",
            Error::Folder { .. } => "give a folder that this user can read",
            Error::FolderTooLarge { .. } => "give the folder of the migrations only",
        };
        Some(hint.to_owned())
    }
}
