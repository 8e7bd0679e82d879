//! What can go wrong with a vault: each error names the path and, by `hint`, the way out.

use std::io::ErrorKind;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: the vault cannot be opened: {source}", path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error("{}: no space left to write {n_bytes} bytes", path.display())]
    Full { path: PathBuf, n_bytes: usize, source: object_store::Error },
    #[error("{}: may not be written: {}", path.display(), root_of(source))]
    NotWritable { path: PathBuf, source: object_store::Error },
    #[error("{}: cannot be written: {}", path.display(), root_of(source))]
    Write { path: PathBuf, source: object_store::Error },
    #[error("{}: cannot be read: {}", path.display(), root_of(source))]
    Read { path: PathBuf, source: object_store::Error },
    #[error("{}: there is no such {what}", path.display())]
    Missing { path: PathBuf, what: &'static str },
    #[error("{}, line {line}: not what pgward writes: {source}", path.display())]
    Malformed { path: PathBuf, line: usize, source: serde_json::Error },
    #[error("{}: {n_bytes} bytes, more than the {most} that are read at once", path.display())]
    TooLarge { path: PathBuf, n_bytes: u64, most: u64 },
    #[error("{}: more than {most} events in the time asked for", path.display())]
    TooMany { path: PathBuf, most: usize },
    #[error("{}: more than {most} rows in the time asked for", path.display())]
    TooManyRows { path: PathBuf, most: usize },
    #[error("{}: damaged: {source}", path.display())]
    Broken { path: PathBuf, source: std::io::Error },
    #[error("{}: not the rows that pgward writes: {source}", path.display())]
    Rows { path: PathBuf, source: arrow::error::ArrowError },
    #[error("{place}: no place for a history: {why}")]
    Place { place: String, why: String },
    #[error("{name:?} is not a name for {what}: {why}")]
    Name { name: String, what: &'static str, why: &'static str },
    #[error("{what} cannot be written as JSON: {source}")]
    Json { what: &'static str, source: serde_json::Error },
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Error::Open { path, .. } => format!(
                "create {} and let pgward's user own it, or name another vault with --vault",
                path.display()
            ),
            Error::Full { path, .. } => format!(
                "make room on the disk of {}, or name a vault on another disk with --vault",
                path.display()
            ),
            Error::NotWritable { path, .. } => {
                let dir = path.parent().unwrap_or(path);
                format!(
                    "let pgward's user write {}, or name another vault with --vault",
                    dir.display()
                )
            }
            Error::Write { path, .. } | Error::Read { path, .. } => {
                format!("check the disk that holds {}", path.display())
            }
            Error::Missing { path, .. } => {
                let dir = path.parent().unwrap_or(path);
                format!("look into {} for what there is", dir.display())
            }
            Error::Malformed { path, .. }
            | Error::Broken { path, .. }
            | Error::Rows { path, .. } => {
                format!("move {} out of the vault; the rest stays readable", path.display())
            }
            Error::TooLarge { .. } | Error::TooMany { .. } | Error::TooManyRows { .. } => {
                "ask for a shorter time".to_owned()
            }
            Error::Place { .. } => {
                "name a directory, or s3://BUCKET/PATH, gs://... or az://...".into()
            }
            Error::Name { .. } => "use letters, digits, dots, dashes and underscores".to_owned(),
            Error::Json { .. } => "report it with the text above: it is a defect of pgward".into(),
        }
    }

    /// May the same call succeed later without anybody doing anything?
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Full { .. } | Error::Write { .. } | Error::Read { .. })
    }
}

/// Sorts a failed write by what the operating system said.
pub(crate) fn failed_write(path: PathBuf, n_bytes: usize, source: object_store::Error) -> Error {
    match io_kind(&source) {
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            Error::Full { path, n_bytes, source }
        }
        Some(
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotADirectory
            | ErrorKind::AlreadyExists
            | ErrorKind::IsADirectory,
        ) => Error::NotWritable { path, source },
        _ => Error::Write { path, source },
    }
}

fn io_kind(error: &object_store::Error) -> Option<ErrorKind> {
    let mut link: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = link {
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        link = current.source();
    }
    None
}

/// The innermost cause: what the operating system said, without the wrappers' words.
fn root_of(error: &object_store::Error) -> String {
    let mut current: &dyn std::error::Error = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}
