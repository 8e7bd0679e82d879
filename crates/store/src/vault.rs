//! The vault itself: objects below one directory, written whole or not at all.

use crate::error::{Error, failed_write};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use tokio::runtime::Runtime;

/// Most bytes of one object that are read into memory: a case with ten minutes of samples of a
/// busy server is about 40 MB.
pub(crate) const OBJECT_BYTES_MAX: u64 = 256 << 20;

/// A vault directory. Every object appears whole or not at all, also when pgward or the machine
/// dies while it is written: it is written beside its place, flushed, then renamed.
///
/// Its functions wait for the disk; do not call them from within an async task.
#[derive(Debug)]
pub struct Vault {
    root: PathBuf,
    store: LocalFileSystem,
    runtime: Runtime,
}

impl Vault {
    /// Opens the vault in directory `path`, which is made where it does not exist.
    ///
    /// # Errors
    /// [`Error::Open`] when the directory can be neither found nor made.
    pub fn open(path: impl Into<PathBuf>) -> Result<Vault, Error> {
        let path = path.into();
        let failed = |source| Error::Open { path: path.clone(), source };
        std::fs::create_dir_all(&path).map_err(failed)?;
        let root = path.canonicalize().map_err(failed)?;
        let store = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| failed(std::io::Error::other(error)))?
            .with_fsync(true);
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(failed)?;
        Ok(Vault { root, store, runtime })
    }

    /// The directory, absolute.
    pub fn root(&self) -> &std::path::Path {
        &self.root
    }

    /// Where an object lies on disk.
    pub(crate) fn file(&self, object: &Path) -> PathBuf {
        self.root.join(object.as_ref())
    }

    pub(crate) fn put(&self, object: &Path, bytes: Vec<u8>) -> Result<PathBuf, Error> {
        let (file, n_bytes) = (self.file(object), bytes.len());
        match self.runtime.block_on(self.store.put(object, PutPayload::from(bytes))) {
            Ok(_) => Ok(file),
            Err(source) => Err(failed_write(file, n_bytes, source)),
        }
    }

    /// Writes an object that must not exist yet; `false` when it does.
    pub(crate) fn put_new(&self, object: &Path, bytes: Vec<u8>) -> Result<bool, Error> {
        let n_bytes = bytes.len();
        let options = PutOptions::from(PutMode::Create);
        let payload = PutPayload::from(bytes);
        match self.runtime.block_on(self.store.put_opts(object, payload, options)) {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(source) => Err(failed_write(self.file(object), n_bytes, source)),
        }
    }

    /// The bytes of an object, `None` where there is none.
    pub(crate) fn get(&self, object: &Path) -> Result<Option<Vec<u8>>, Error> {
        let path = || self.file(object);
        let read = async {
            let found = self.store.get(object).await?;
            let n_bytes = found.meta.size;
            if n_bytes > OBJECT_BYTES_MAX { Ok(Err(n_bytes)) } else { found.bytes().await.map(Ok) }
        };
        match self.runtime.block_on(read) {
            Ok(Ok(bytes)) => Ok(Some(bytes.to_vec())),
            Ok(Err(n_bytes)) => {
                Err(Error::TooLarge { path: path(), n_bytes, most: OBJECT_BYTES_MAX })
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(Error::Read { path: path(), source }),
        }
    }

    /// Removes an object; one that is not there is no error.
    pub(crate) fn remove(&self, object: &Path) -> Result<(), Error> {
        match self.runtime.block_on(self.store.delete(object)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(failed_write(self.file(object), 0, source)),
        }
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

    /// Names right below `folder`: (folders, objects), each sorted. A folder that does not
    /// exist is empty.
    pub(crate) fn names(&self, folder: &Path) -> Result<(Vec<String>, Vec<String>), Error> {
        let listed = match self.runtime.block_on(self.store.list_with_delimiter(Some(folder))) {
            Ok(listed) => listed,
            Err(object_store::Error::NotFound { .. }) => return Ok((Vec::new(), Vec::new())),
            Err(source) => return Err(Error::Read { path: self.file(folder), source }),
        };
        let last = |path: &Path| path.filename().map(str::to_owned);
        let mut folders: Vec<String> = listed.common_prefixes.iter().filter_map(last).collect();
        let mut objects: Vec<String> =
            listed.objects.iter().filter_map(|o| last(&o.location)).collect();
        folders.sort();
        objects.sort();
        Ok((folders, objects))
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
