//! Changes whose files pgward has read, so that one that goes round it is recognised.

use crate::error::Error;
use pgward_model::prelude::*;
use pgward_pg::journal::{self, ChangeState};
use pgward_pg::prelude::*;
use std::path::{Path, PathBuf};

/// More migrations than the oldest projects have; above, somebody gave the wrong folder.
const FILES_MAX: usize = 5_000;
/// Read at once into memory, so it must stay small.
const BYTES_MAX: u64 = 20 * 1024 * 1024;
/// What a diagnosis looks through for each suspect statement.
const REMEMBERED_MAX: i64 = 500;

/// Changes that went through pgward or were refused by it, newest first.
///
/// # Errors
/// As [`Session::query`]; empty, not an error, where no journal is kept.
pub fn known_changes(session: &Session) -> Result<Vec<KnownChange>, Error> {
    if !pgward_pg::install::has_journal(session)? {
        return Ok(Vec::new());
    }
    let (remembered, unreadable) = journal::remembered(session, REMEMBERED_MAX)?;
    if unreadable > 0 {
        tracing::warn!(unreadable, "Changes remembered by another version are left out.");
    }
    Ok(remembered
        .into_iter()
        .map(|r| KnownChange {
            change: r.change,
            seen: match r.state {
                ChangeState::Refused => ChangeSeen::Refused(Box::new(r.report)),
                ChangeState::Applied | ChangeState::Undone => ChangeSeen::Applied,
            },
        })
        .collect())
}

/// Every `*.sql` file below a folder, each a change of its own, by path.
///
/// # Errors
/// [`Error::Folder`] when it cannot be read, [`Error::FolderTooLarge`] above 5,000 files or 20 MB.
pub fn from_folder(dir: &Path) -> Result<Vec<KnownChange>, Error> {
    let mut paths = Vec::new();
    collect(dir, &mut paths, 0)?;
    paths.sort();
    let too_large = |limit| Error::FolderTooLarge { path: dir.to_owned(), limit };
    if paths.len() > FILES_MAX {
        return Err(too_large("5,000 SQL files"));
    }
    let mut bytes = 0;
    let mut known = Vec::new();
    for path in paths {
        let text = std::fs::read(&path).map_err(|source| Error::Folder {
            path: path.clone(),
            what: "cannot read",
            source,
        })?;
        bytes += text.len() as u64;
        if bytes > BYTES_MAX {
            return Err(too_large("20 MB of SQL"));
        }
        let text = String::from_utf8_lossy(&text);
        let file = pgward_sql::read(&path.display().to_string(), &text);
        let change = pgward_sql::change(vec![file]);
        known.push(KnownChange { change, seen: ChangeSeen::InFolder });
    }
    Ok(known)
}

/// Migrations nest a few levels; a loop of links does not end.
const DEPTH_MAX: usize = 16;

fn collect(dir: &Path, paths: &mut Vec<PathBuf>, depth: usize) -> Result<(), Error> {
    let failed = |source| Error::Folder { path: dir.to_owned(), what: "cannot list", source };
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if paths.len() > FILES_MAX {
            return Ok(());
        }
        if path.is_dir() {
            if depth < DEPTH_MAX {
                collect(&path, paths, depth + 1)?;
            }
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("sql")) {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_migrations_is_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/2.sql"), "DROP TABLE a").unwrap();
        std::fs::write(dir.path().join("1.sql"), "SELECT 1").unwrap();
        std::fs::write(dir.path().join("1.txt"), "not SQL").unwrap();
        let known = from_folder(dir.path()).unwrap();
        let paths: Vec<_> = known.iter().map(|k| k.change.files[0].path.clone()).collect();
        assert_eq!(paths.len(), 2);
        assert!(paths[0].ends_with("1.sql") && paths[1].ends_with("sub/2.sql"));
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = from_folder(Path::new("/no/such/folder")).unwrap_err();
        assert!(error.to_string().contains("/no/such/folder"));
    }
}
