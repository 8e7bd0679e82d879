//! The vault itself: a directory of what is to be remembered.

use crate::error::Error;
use crate::history::History;
use crate::objects::Objects;
use object_store::path::Path;
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// A vault directory. Every object appears whole or not at all, also when pgward or the machine
/// dies while it is written.
///
/// Its functions wait for the disk; do not call them from within an async task.
#[derive(Debug)]
pub struct Vault {
    objects: Objects,
}

impl Vault {
    /// Opens the vault in directory `path`, which is made where it does not exist.
    ///
    /// # Errors
    /// [`Error::Open`] when the directory can be neither found nor made.
    pub fn open(path: impl Into<PathBuf>) -> Result<Vault, Error> {
        Ok(Vault { objects: Objects::in_directory(path.into())? })
    }

    /// The directory, absolute.
    pub fn root(&self) -> &std::path::Path {
        self.objects.root()
    }

    /// The history of samples, in folder `history` of the vault.
    ///
    /// # Errors
    /// [`Error::Open`] when that can be neither found nor made.
    pub fn history(&self) -> Result<History, Error> {
        History::open(self.root().join("history"))
    }

    /// Where an object lies on disk.
    pub(crate) fn file(&self, object: &Path) -> PathBuf {
        self.objects.file(object)
    }

    pub(crate) fn put(&self, object: &Path, bytes: Vec<u8>) -> Result<PathBuf, Error> {
        self.objects.put(object, bytes)
    }

    pub(crate) fn put_new(&self, object: &Path, bytes: Vec<u8>) -> Result<bool, Error> {
        self.objects.put_new(object, bytes)
    }

    pub(crate) fn get(&self, object: &Path) -> Result<Option<Vec<u8>>, Error> {
        self.objects.get(object)
    }

    pub(crate) fn names(&self, folder: &Path) -> Result<(Vec<String>, Vec<String>), Error> {
        self.objects.names(folder)
    }

    /// Removes an object; one that is not there is no error.
    pub(crate) fn remove(&self, object: &Path) -> Result<(), Error> {
        self.objects.delete(object)
    }

    pub(crate) fn get_json<T: DeserializeOwned>(
        &self,
        object: &Path,
        what: &'static str,
    ) -> Result<T, Error> {
        let path = self.file(object);
        let Some(bytes) = self.get(object)? else {
            return Err(Error::Missing { path, what });
        };
        serde_json::from_slice(&bytes).map_err(|source| Error::Malformed {
            path,
            line: source.line(),
            source,
        })
    }
}

/// A name that is one part of a path and looks the same on disk.
pub(crate) fn checked<'a>(name: &'a str, what: &'static str) -> Result<&'a str, Error> {
    let wrong = |why| Err(Error::Name { name: name.to_owned(), what, why });
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    match name {
        "" => wrong("it is empty"),
        n if n.starts_with('.') => wrong("it begins with a dot"),
        n if n.len() > 200 => wrong("it is longer than 200 bytes"), // file systems end at 255
        n if !n.chars().all(plain) => wrong("it has characters that do not suit a file name"),
        n => Ok(n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("vault");
        std::fs::write(&file, "").unwrap();
        let error = Vault::open(&file).unwrap_err();
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        assert!(error.hint().contains("--vault"));
    }

    #[test]
    fn what_cannot_be_written_names_the_object_and_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        std::fs::write(dir.path().join("incidents"), "a file where a folder belongs").unwrap();
        let error = vault.put(&Path::from("incidents/17.json"), b"{}".to_vec()).unwrap_err();
        assert!(matches!(error, Error::NotWritable { .. }), "{error:?}");
        assert!(error.to_string().contains("incidents/17.json"), "{error}");
        assert!(error.hint().contains("--vault"), "{}", error.hint());
    }

    #[test]
    fn names_that_leave_the_vault_are_refused() {
        for name in ["", "..", "a/b", ".hidden", "ä", "a#1", &"x".repeat(201)] {
            assert!(checked(name, "a file").is_err(), "{name}");
        }
        assert!(checked("20261121-0512.alter_queue-1", "a file").is_ok());
    }
}
