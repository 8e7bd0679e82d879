//! What can go wrong in the sandbox, each with the object it happened to and the way out.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Pg(#[from] pgward_pg::error::Error),
    // Load and ledger.
    #[error("session {session}: {why}")]
    Template { session: String, why: String },
    #[error("session {session}: {why}")]
    Load { session: String, why: String },
    #[error("ledger={text}: not of the form relation(key,stamp)")]
    LedgerSpec { text: String },
    #[error("{}: the ledger of acknowledged writes cannot be kept", path.display())]
    Ledger {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}:{number}: not a line of a ledger", path.display())]
    LedgerLine { path: PathBuf, number: u64 },
    // Faults.
    #[error("{target}: not a sandbox: {missing}; no drill touches a database it did not create")]
    NotSandbox { target: String, missing: String },
    #[error("fault {fault}: {why}")]
    Fault { fault: &'static str, why: String },
    #[error("fault {fault}: {}: {what}", path.display())]
    FaultFile {
        fault: &'static str,
        path: PathBuf,
        what: &'static str,
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// The way out, where there is one.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::Pg(error) => return error.hint(),
            Error::LedgerSpec { .. } => "write it as ledger=accounts(id,stamp)",
            Error::Ledger { .. } => "make room where the ledger is kept, or give another directory",
            Error::LedgerLine { .. } => "the file was changed by hand; start with a new one",
            Error::NotSandbox { .. } => {
                "give no --database to a drill: it starts a private server of its own"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
