//! Objects below one place, a directory or a bucket: written whole or not at all.

use crate::error::{Error, failed_write};
use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Most bytes of one object that are read into memory: a case with ten minutes of samples of a
/// busy server is about 40 MB.
pub(crate) const OBJECT_BYTES_MAX: u64 = 256 << 20;

/// A place of objects. Every object appears whole or not at all, also when pgward or the machine
/// dies while it is written: in a directory it is written beside its place, flushed, then
/// renamed; a bucket takes an object as one. Nothing here renames, appends or locks, since
/// buckets cannot.
///
/// Its functions wait for the disk; do not call them from within an async task.
#[derive(Debug)]
pub(crate) struct Objects {
    root: PathBuf,
    store: Arc<dyn ObjectStore>,
    runtime: Runtime,
}

impl Objects {
    /// Objects below directory `path`, which is made where it does not exist.
    pub(crate) fn in_directory(path: PathBuf) -> Result<Objects, Error> {
        let failed = |source| Error::Open { path: path.clone(), source };
        std::fs::create_dir_all(&path).map_err(failed)?;
        let root = path.canonicalize().map_err(failed)?;
        let store = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| failed(std::io::Error::other(error)))?
            .with_fsync(true);
        Objects::of(root, Arc::new(store))
    }

    /// Objects of `store`, which people know as `root`.
    pub(crate) fn of(root: PathBuf, store: Arc<dyn ObjectStore>) -> Result<Objects, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| Error::Open { path: root.clone(), source })?;
        Ok(Objects { root, store, runtime })
    }

    pub(crate) fn root(&self) -> &std::path::Path {
        &self.root
    }

    /// Where people find an object.
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

    /// Takes an object away; one that is not there is away.
    pub(crate) fn delete(&self, object: &Path) -> Result<(), Error> {
        match self.runtime.block_on(self.store.delete(object)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(Error::Write { path: self.file(object), source }),
        }
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

    /// Every object below `folder` with its bytes, sorted by place.
    pub(crate) fn all(&self, folder: &Path) -> Result<Vec<(Path, u64)>, Error> {
        let listed = self.store.list(Some(folder)).map_ok(|o| (o.location, o.size));
        let mut found: Vec<(Path, u64)> = match self.runtime.block_on(listed.try_collect()) {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            Err(source) => return Err(Error::Read { path: self.file(folder), source }),
        };
        found.sort();
        Ok(found)
    }
}
