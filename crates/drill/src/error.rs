//! What can go wrong around a drill, each with the object it happened to and the way out.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Pg(#[from] pgward_pg::error::Error),
    #[error(transparent)]
    Sandbox(#[from] pgward_sandbox::error::Error),
    #[error(transparent)]
    Watch(#[from] pgward_watch::error::Error),
    #[error(transparent)]
    Change(#[from] pgward_change::Error),
    #[error(transparent)]
    Recover(#[from] pgward_recover::error::Error),
    #[error("{file}:{line}: {why}")]
    Scenario { file: String, line: usize, why: String },
    #[error("no scenario {id}; there are {known}")]
    NoScenario { id: String, known: String },
    #[error("{scenario}: {why}")]
    Stage { scenario: String, why: String },
    #[error(
        "{scenario}: the disk of {} is full, {free_mb} MB are left; the drill has ended, its \
         server and its load are gone", dir.display()
    )]
    DiskFull {
        scenario: String,
        dir: PathBuf,
        free_mb: u64,
        /// What failed for it, if anything had yet.
        #[source]
        source: Option<Box<Error>>,
    },
    #[error("{scenario}: interrupted; its server and its load are gone")]
    Interrupted { scenario: String },
}

impl Error {
    /// The way out, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Pg(error) => error.hint(),
            Error::DiskFull { .. }
            | Error::Sandbox(pgward_sandbox::error::Error::NoRoom { .. }) => {
                Some("free some space there, or set TMPDIR to a directory with more".into())
            }
            Error::Sandbox(error) => error.hint(),
            Error::Watch(error) => error.hint(),
            Error::Change(error) => error.hint(),
            Error::Recover(error) => error.hint(),
            Error::Scenario { .. } => {
                Some("the form of a scenario file is in CONTRIBUTING.md, \"One scenario\"".into())
            }
            Error::NoScenario { .. } => Some("give one of these, `all`, or a file FILE.md".into()),
            Error::Stage { .. } | Error::Interrupted { .. } => None,
        }
    }
}
