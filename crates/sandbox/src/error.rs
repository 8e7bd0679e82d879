//! What can go wrong in the sandbox, each with the object it happened to and the way out.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Pg(#[from] pgward_pg::error::Error),
    // Backups and what is made of them.
    #[error("{}: {what}", path.display())]
    File {
        path: PathBuf,
        what: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("vault {}: OS user {user} may not enter it", dir.display())]
    VaultUnreachable { dir: PathBuf, user: String },
    #[error("backup {id}: its record cannot be read")]
    BackupRecord {
        id: String,
        #[source]
        source: serde_json::Error,
    },
    #[error(
        "{}: {} MB free, {} MB needed for {what}",
        dir.display(), free_bytes >> 20, needed_bytes >> 20
    )]
    NoRoom { dir: PathBuf, what: String, free_bytes: u64, needed_bytes: u64 },
    #[error("{what}: programs of PostgreSQL {tools} cannot do this for a server of major {server}")]
    Major { what: String, tools: u32, server: u32 },
    #[error("no backup {wanted}{}", refusals(.refused))]
    NoBackup { wanted: String, refused: Vec<String> },
    #[error("WAL segment {segment} has not reached {} within {waited_s} s{why}", wal_dir.display())]
    NotArchived { segment: String, wal_dir: PathBuf, waited_s: u64, why: String },
    #[error("side server of backup {backup} at {point}: {why}")]
    Side { backup: String, point: String, why: String },
    #[error("{text}: not an LSN of the form 0/16B3748")]
    BadLsn { text: String },
    #[error("WAL from {from} on: {why}")]
    Wal { from: String, why: String },
    #[error("{what} is not in the WAL from {from} to {to}")]
    NotInWal { what: String, from: String, to: String },
    #[error("{target}: {mb} MB are more than the {limit_mb} MB a clone may copy without a backup")]
    CloneTooBig { target: String, mb: u64, limit_mb: u64 },
    // Load and ledger.
    #[error("session {session}: {why}")]
    Template { session: String, why: String },
    #[error("session {session}: {why}")]
    Load { session: String, why: String },
    #[error(
        "session {session}: all of its {n} requests have failed before anything was changed{}",
        if source.is_none() { "; its last statement returned no row" } else { "" }
    )]
    NeverWorked {
        session: String,
        n: u64,
        /// The server's first answer, if it was an error.
        #[source]
        source: Option<Box<pgward_pg::error::Error>>,
    },
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
    #[error("fault {fault} is not known; there are {known}")]
    UnknownFault { fault: String, known: String },
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
            Error::VaultUnreachable { .. } => {
                "name a directory that user may enter, e.g. below /var/lib, or chmod o+x the path"
            }
            Error::NoRoom { .. } => "free some space there or name another directory",
            Error::Major { .. } => "install the server's own major version beside the others",
            Error::NoBackup { .. } => "take one with `pgward backup` while all is well",
            Error::NotArchived { .. } => {
                "check archive_mode, archive_command and pg_stat_archiver on the server"
            }
            Error::BackupRecord { .. } => "remove that record; the other backups still count",
            Error::NotInWal { .. } => "name an older backup, or look at the time it happened",
            Error::CloneTooBig { .. } => "take a backup with `pgward backup`, clones come from it",
            Error::NeverWorked { .. } => "mend its statement, or what the setup makes",
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

fn refusals(refused: &[String]) -> String {
    if refused.is_empty() {
        return ": the vault holds none".to_owned();
    }
    format!(": {}", refused.join("; "))
}
